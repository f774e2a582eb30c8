//! GitHub's rules for what is said: workflow commands are lines of a log that its runner carries out.

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The run is red because of it.
    Error,
    /// Somebody should look.
    Warning,
    /// It may explain a result.
    Notice,
}

/// Whether this process runs in GitHub Actions.
pub fn on() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// The longest message of an annotation, in characters: the page shows a few lines of each.
const MAX_MESSAGE: usize = 4000;

/// The line that shows `message` under `title` on the run's page.
pub fn annotation(level: Level, title: &str, message: &str) -> String {
    let command = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut short: String = message.chars().take(MAX_MESSAGE).collect();
    if short.len() < message.len() {
        short.push('…');
    }
    format!("::{command} title={}::{}", property(title), data(&short))
}

/// The line that begins a group of lines.
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// A command's data: everything behind its second `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A command's property, which `:` and `,` would end.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// `text` without anything that the runner would take for a command: a server's or k6's words must not be carried out.
///
/// The runner looks for `::` at the beginning of a line, spaces aside, and for the older `##[` anywhere.
pub fn neutral(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let line = line.replace("##[", "# #[");
        match line.trim_start().strip_prefix("::") {
            Some(rest) => {
                let indent = &line[..line.len() - line.trim_start().len()];
                format!("{indent}: :{rest}")
            }
            None => line,
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_one_command() {
        assert_eq!(
            annotation(
                Level::Error,
                "load: a,b",
                "50 % > 1 %\r\n::error::no\u{2028}"
            ),
            "::error title=load%3A a%2Cb::50 %25 > 1 %25%0D%0A::error::no\u{2028}"
        );
        assert_eq!(group("a\n::b"), "::group::a%0A::b");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let line = annotation(Level::Warning, "t", &"ä".repeat(5000));
        assert_eq!(line.chars().filter(|c| *c == 'ä').count(), MAX_MESSAGE);
        assert!(line.ends_with('…'));
    }

    #[test]
    fn the_words_of_others_are_no_commands() {
        let said = "log:\n  ::add-mask::x\n::stop-commands::y\nfine :: here\n##[error]z";
        let safe = neutral(said);
        for line in safe.lines() {
            assert!(!line.trim_start().starts_with("::"), "{line}");
            assert!(!line.contains("##["), "{line}");
        }
        assert!(safe.contains("fine :: here") && safe.contains("add-mask"));
    }
}
