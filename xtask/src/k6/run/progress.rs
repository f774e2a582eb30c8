//! k6's own progress, taken from its output.

use std::thread::JoinHandle;
use std::time::Duration;

use super::shape::go_duration;
use crate::{report, shell, ui};

/// How many warnings and errors of k6 are shown while it runs; the log has them all.
const MAX_SHOWN: u32 = 5;

/// Follows the lines of one k6 run.
pub struct Progress {
    bar: ui::Progress,
    shown: u32,
    open: bool,
    opening: Option<JoinHandle<()>>,
}

/// What a line of k6's is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// The summed-up progress, as in `running (0m05.0s), 1/1 VUs, 9 complete and 0 interrupted iterations`.
    Running(Option<Duration>, &'a str),
    /// The progress of one scenario, as in `default   [  17% ] 1 VUs  05.0s/30.0s`.
    Scenario,
    /// A log line with at least the level of a warning, its message.
    Problem(String),
    /// The address of the live dashboard.
    Dashboard(&'a str),
    /// Anything else.
    Other,
}

impl Progress {
    /// Begins to follow a run of `test` that makes load for `load`; `open` has its live dashboard opened in the browser.
    pub fn new(test: &str, load: Duration, open: bool) -> Self {
        Self {
            bar: ui::Progress::over(test, load),
            shown: 0,
            open,
            opening: None,
        }
    }

    /// Takes note of a line; returns whether it is worth keeping in the log.
    pub fn line(&mut self, line: &str) -> bool {
        match classify(line) {
            Line::Running(elapsed, text) => {
                if let Some(elapsed) = elapsed {
                    self.bar
                        .done(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                }
                self.bar.says(text);
                false
            }
            Line::Scenario => false,
            Line::Problem(message) => {
                self.shown += 1;
                if self.shown <= MAX_SHOWN {
                    ui::info(&format!("  k6: {}", shorten(&message, 2 * ui::width())));
                } else if self.shown == MAX_SHOWN + 1 {
                    ui::info("  k6 goes on to complain: k6.log has it all");
                }
                true
            }
            Line::Dashboard(address) => {
                if ui::is_terminal() {
                    ui::info(&format!("  live: {address}"));
                }
                if std::mem::take(&mut self.open) {
                    let address = address.to_owned();
                    // k6's output must go on to be read meanwhile.
                    self.opening = Some(std::thread::spawn(move || report::open(&address)));
                }
                true
            }
            Line::Other => true,
        }
    }

    /// The thread that opens the dashboard: who ends before it would take the opener along.
    pub fn opening(&mut self) -> Option<JoinHandle<()>> {
        self.opening.take()
    }
}

fn shorten(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

fn classify(line: &str) -> Line<'_> {
    let trimmed = line.trim();
    if let Some(rest) = trimmed.strip_prefix("running (") {
        let (elapsed, text) = rest.split_once("), ").unwrap_or(("", rest));
        return Line::Running(go_duration(elapsed).ok(), text);
    }
    if let Some((name, rest)) = trimmed.split_once(" [")
        && !name.contains('"')
        && rest.contains("% ]")
    {
        return Line::Scenario;
    }
    if let Some(address) = trimmed.strip_prefix("web dashboard:") {
        // Only what k6 listens on for us: a script may print such a line too.
        let address = address.trim();
        if address.starts_with("http://127.0.0.1:") && !address.contains(char::is_whitespace) {
            return Line::Dashboard(address);
        }
    }
    let level = ["level=warning", "level=error", "level=fatal"]
        .iter()
        .any(|level| trimmed.contains(level));
    if level && let Some((_, message)) = trimmed.split_once("msg=") {
        return Line::Problem(unquoted(message));
    }
    Line::Other
}

/// The message of a logfmt line: a quoted string with Go's escapes, or one word.
fn unquoted(text: &str) -> String {
    let Some(rest) = text.strip_prefix('"') else {
        return text.split(' ').next().unwrap_or(text).to_owned();
    };
    let mut out = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n' | 't' | 'r') => out.push(' '),
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    shell::clean(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_lines_apart() {
        let running = "running (0m05.0s), 1/1 VUs, 9 complete and 0 interrupted iterations";
        assert_eq!(
            classify(running),
            Line::Running(
                Some(Duration::from_secs(5)),
                "1/1 VUs, 9 complete and 0 interrupted iterations"
            )
        );
        let scenario = "default   [  17% ] 1 VUs  05.0s/30.0s";
        assert_eq!(classify(scenario), Line::Scenario);
        let warning = r#"time="2026-11-23T12:00:00Z" level=warning msg="Request Failed" error="Get \"x\": refused""#;
        assert_eq!(classify(warning), Line::Problem("Request Failed".into()));
        let error =
            r#"time="2026" level=error msg="SyntaxError: \"undefined\"\n at parse" executor=x"#;
        assert_eq!(
            classify(error),
            Line::Problem("SyntaxError: \"undefined\"  at parse".into())
        );
        assert_eq!(classify("     execution: local"), Line::Other);
        let dashboard = "  web dashboard: http://127.0.0.1:33355";
        assert_eq!(
            classify(dashboard),
            Line::Dashboard("http://127.0.0.1:33355")
        );
        let elsewhere = "web dashboard: http://192.0.2.1:33355";
        assert_eq!(classify(elsewhere), Line::Other);
    }
}
