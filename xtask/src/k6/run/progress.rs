//! What k6 says while it runs: its progress, its log, and where its dashboard is.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::duration::go_duration;
use super::log::{Entry, Said};
use super::relay::Relay;
use crate::{shell, ui};

/// How many warnings and errors of k6 are shown while it runs; the log has them all.
const MAX_SHOWN: u32 = 5;

/// Follows the lines of one k6 run.
pub struct Progress {
    bar: ui::Progress,
    shown: u32,
    open: bool,
    opening: Option<JoinHandle<()>>,
    relay: Option<Relay>,
    said: Said,
    /// Whether scenarios were listed since the last line that sums up, and all of them had ended.
    listed: bool,
    all_ended: bool,
    ended: Option<Instant>,
}

/// What a line of k6's is.
#[derive(Debug, PartialEq, Eq)]
enum Line<'a> {
    /// The summed-up progress, as in `running (0m05.0s), 1/1 VUs, 9 complete and 0 interrupted iterations`.
    Running(Option<Duration>, &'a str),
    /// The progress of one scenario, as in `default ✓ [ 100% ] 1 VUs  30s`, and whether it has ended.
    Scenario(bool),
    /// An entry of the log.
    Log(Entry),
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
            relay: None,
            said: Said::default(),
            listed: false,
            all_ended: true,
            ended: None,
        }
    }

    /// Takes note of a line; returns what is worth keeping in the log.
    pub fn line(&mut self, line: &str) -> Vec<String> {
        match classify(line) {
            Line::Running(elapsed, text) => {
                if self.listed && self.all_ended && self.ended.is_none() {
                    self.ended = Some(Instant::now());
                }
                (self.listed, self.all_ended) = (false, true);
                if let Some(elapsed) = elapsed {
                    self.bar
                        .done(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
                }
                self.bar.says(text);
                Vec::new()
            }
            Line::Scenario(ended) => {
                self.listed = true;
                self.all_ended &= ended;
                Vec::new()
            }
            Line::Log(entry) => {
                self.said.take(&entry);
                if entry.is_problem() {
                    self.show(&entry.words());
                }
                entry.log_lines()
            }
            Line::Dashboard(address) => vec![self.dashboard(address)],
            Line::Other => {
                self.said.take_line(line);
                vec![line.to_owned()]
            }
        }
    }

    fn show(&mut self, words: &str) {
        self.shown += 1;
        if self.shown <= MAX_SHOWN {
            ui::info(&format!("  k6: {words}"));
        } else if self.shown == MAX_SHOWN + 1 {
            ui::info("  k6 goes on to complain: k6.log has it all");
        }
    }

    /// Shows the way to the dashboard, which is ours: k6's own would keep it from ending.
    fn dashboard(&mut self, address: &str) -> String {
        let relay = address
            .strip_prefix("http://")
            .and_then(|address| Relay::start(address.parse().ok()?).ok());
        let address = relay.as_ref().map_or_else(
            || address.to_owned(),
            |relay| format!("http://{}", relay.address),
        );
        self.relay = relay;
        if ui::is_terminal() {
            ui::info(&format!("  live: {address}"));
        }
        if std::mem::take(&mut self.open) {
            let address = address.clone();
            // k6's output must go on to be read meanwhile.
            self.opening = Some(std::thread::spawn(move || shell::open(&address)));
        }
        format!("web dashboard: {address}")
    }

    /// When k6 said that the load had ended, if it has.
    pub fn ended(&self) -> Option<Instant> {
        self.ended
    }

    /// Lets go whoever looks at the dashboard.
    pub fn close_dashboard(&mut self) {
        self.relay = None;
    }

    /// What the log said.
    pub fn said(&self) -> Said {
        self.said.clone()
    }

    /// The thread that opens the dashboard: who ends before it would take the opener along.
    pub fn opening(&mut self) -> Option<JoinHandle<()>> {
        self.opening.take()
    }
}

fn classify(line: &str) -> Line<'_> {
    let trimmed = line.trim();
    if let Some(rest) = trimmed.strip_prefix("running (") {
        let (elapsed, text) = rest.split_once("), ").unwrap_or(("", rest));
        return Line::Running(go_duration(elapsed).ok(), text);
    }
    if let Some(entry) = Entry::of(trimmed) {
        return Line::Log(entry);
    }
    if let Some((name, rest)) = trimmed.split_once(" [")
        && !name.contains('"')
        && rest.contains("% ]")
    {
        return Line::Scenario(name.ends_with(['✓', '✗']));
    }
    if let Some(address) = trimmed.strip_prefix("web dashboard:") {
        // Only what k6 listens on for us: a script may print such a line too.
        let address = address.trim();
        if address.starts_with("http://127.0.0.1:") && !address.contains(char::is_whitespace) {
            return Line::Dashboard(address);
        }
    }
    Line::Other
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
        assert_eq!(classify(scenario), Line::Scenario(false));
        assert_eq!(
            classify("it   • [   0% ] waiting  0.0s"),
            Line::Scenario(false)
        );
        assert_eq!(classify("cv   ✓ [ 100% ] 2 VUs  2s"), Line::Scenario(true));
        let warning = r#"{"level":"warning","msg":"Request Failed","error":"Get \"x\": refused"}"#;
        assert!(matches!(classify(warning), Line::Log(entry) if entry.is_problem()));
        assert_eq!(classify("     execution: local"), Line::Other);
        let dashboard = "  web dashboard: http://127.0.0.1:33355";
        assert_eq!(
            classify(dashboard),
            Line::Dashboard("http://127.0.0.1:33355")
        );
        let elsewhere = "web dashboard: http://192.0.2.1:33355";
        assert_eq!(classify(elsewhere), Line::Other);
    }

    #[test]
    fn the_load_has_ended_when_every_scenario_has() {
        let mut progress = Progress::new("health", Duration::from_secs(3), false);
        let one_goes_on = [
            "running (00m02.0s), 1/3 VUs, 5 complete and 0 interrupted iterations",
            "cv   ✓ [ 100% ] 2 VUs  2s",
            "it     [   0% ] 1 VUs  00m01.0s/10m0s  0/1 shared iters",
            "running (00m03.0s), 0/3 VUs, 5 complete and 0 interrupted iterations",
        ];
        for line in one_goes_on {
            progress.line(line);
        }
        assert!(progress.ended().is_none());
        let both_ended = [
            "cv   ✓ [ 100% ] 2 VUs  2s",
            "it   ✓ [ 100% ] 1 VUs  00m01.3s/10m0s  1/1 shared iters",
            "running (00m04.0s), 0/3 VUs, 5 complete and 0 interrupted iterations",
        ];
        for line in both_ended {
            progress.line(line);
        }
        assert!(progress.ended().is_some());
    }
}
