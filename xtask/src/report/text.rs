//! Text of others, made fit to be shown.

use std::fmt;
use std::ops::Deref;

use k6_summary::{cut, harmless, one_line};
use minijinja::Value;
use serde::Serialize;

/// The longest text of one line, in characters: a name that is longer says nothing more.
const MAX_LINE: usize = 500;
/// The longest text of several lines, in characters: a log's last words may be long.
const MAX_LINES: usize = 6000;

/// Text without control characters, escape sequences or signs that turn the direction of writing, and not too long.
///
/// Every text of a report's view is one, so that no layout has to mind what a server, a script or a file may hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Text(String);

impl Text {
    /// Text that keeps its line breaks, such as a reason with the end of a log.
    pub fn lines(raw: &str) -> Self {
        let lines: Vec<String> = raw.lines().map(|line| harmless(line).collect()).collect();
        Self(cut(lines.join("\n").trim_end(), MAX_LINES))
    }
}

impl<T: AsRef<str>> From<T> for Text {
    /// Text of one line: line breaks become spaces.
    fn from(raw: T) -> Self {
        Self(one_line(raw.as_ref(), MAX_LINE))
    }
}

impl From<&Text> for Value {
    fn from(text: &Text) -> Self {
        text.0.as_str().into()
    }
}

impl From<Text> for Value {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_apart_and_long_texts_are_cut() {
        assert_eq!(&*Text::lines("a\u{1b}[1m\r\n  b\n\n"), "a\n  b");
        let long = Text::from("ä".repeat(3000));
        assert_eq!(long.chars().count(), MAX_LINE + 1);
        assert!(long.ends_with('…'));
    }
}
