//! What a report is laid out for.

use std::io::IsTerminal as _;
use std::path::Path;

use crate::ui;

/// What a report is laid out for.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Its columns; none if it is no terminal, where lines are as long as they are.
    pub width: Option<usize>,
    /// Whether everything is said, else what a page need not be opened for.
    pub is_verbose: bool,
    /// Whether it is known to take links.
    pub takes_links: bool,
}

impl Screen {
    /// Standard output as it is.
    pub fn of_stdout(is_verbose: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            width: is_terminal.then(ui::width),
            is_verbose,
            takes_links: is_terminal && takes_links(|name| std::env::var(name).ok()),
        }
    }

    /// How wide a table may be.
    pub(super) fn columns(self) -> usize {
        self.width.unwrap_or_else(ui::width)
    }

    /// A path as a link where that is understood. Its text is the path, so that nothing is lost elsewhere.
    pub(super) fn link(self, path: &Path) -> String {
        let url = std::path::absolute(path).ok();
        let url = url.and_then(|path| reqwest::Url::from_file_path(path).ok());
        match url.filter(|_| self.takes_links) {
            Some(url) => format!("\x1b]8;;{url}\x1b\\{}\x1b]8;;\x1b\\", path.display()),
            None => path.display().to_string(),
        }
    }
}

/// Whether the terminal that these variables are of shows links (OSC 8): those that say who they are, and do.
///
/// Source: <https://github.com/Alhadis/OSC8-Adoption>.
fn takes_links(variable: impl Fn(&str) -> Option<String>) -> bool {
    const PROGRAMS: [&str; 7] = [
        "iTerm.app",
        "WezTerm",
        "vscode",
        "ghostty",
        "Hyper",
        "Tabby",
        "rio",
    ];
    const TERMS: [&str; 4] = ["xterm-kitty", "xterm-ghostty", "alacritty", "foot"];
    let is = |name: &str, known: &[&str]| {
        variable(name).is_some_and(|value| known.contains(&value.as_str()))
    };
    let vte = variable("VTE_VERSION").and_then(|version| version.parse::<u32>().ok());
    // What runs within another screen has that one's variables and not its abilities.
    let within = ["TMUX", "STY"].iter().any(|name| variable(name).is_some());
    !within
        && (is("TERM_PROGRAM", &PROGRAMS)
            || is("TERM", &TERMS)
            || vte.is_some_and(|version| version >= 5000)
            || variable("WT_SESSION").is_some()
            || variable("KONSOLE_VERSION").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_for_terminals_that_show_them() {
        let takes = |pairs: &[(&str, &str)]| {
            takes_links(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        for (variables, expected) in [
            (&[("TERM", "xterm-256color")][..], false),
            (&[("TERM", "xterm-kitty")], true),
            (&[("TERM_PROGRAM", "vscode")], true),
            (&[("TERM_PROGRAM", "Apple_Terminal")], false),
            (&[("VTE_VERSION", "7200")], true),
            (&[("VTE_VERSION", "4205")], false),
            (&[("VTE_VERSION", "7200"), ("TMUX", "/tmp/tmux,1,0")], false),
        ] {
            assert_eq!(takes(variables), expected, "{variables:?}");
        }
        let screen = |takes_links| Screen {
            width: Some(80),
            is_verbose: false,
            takes_links,
        };
        let path = Path::new("/a b/report.html");
        assert_eq!(screen(false).link(path), "/a b/report.html");
        assert_eq!(
            screen(true).link(path),
            "\x1b]8;;file:///a%20b/report.html\x1b\\/a b/report.html\x1b]8;;\x1b\\"
        );
    }
}
