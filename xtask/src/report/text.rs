//! Text of others, made fit to be shown: the one place where names, log lines and history lines are cleaned.

use std::fmt;
use std::ops::Deref;

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
        let lines: Vec<String> = raw.lines().map(|line| clean(line).collect()).collect();
        Self(cut(lines.join("\n").trim_end().chars(), MAX_LINES))
    }
}

impl From<&str> for Text {
    /// Text of one line: line breaks become spaces.
    fn from(raw: &str) -> Self {
        Self(cut(clean(raw.trim()), MAX_LINE))
    }
}

impl From<String> for Text {
    fn from(raw: String) -> Self {
        raw.as_str().into()
    }
}

impl From<&String> for Text {
    fn from(raw: &String) -> Self {
        raw.as_str().into()
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

fn clean(raw: &str) -> impl Iterator<Item = char> {
    let mut chars = raw.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            match chars.next()? {
                '\u{1b}' => {
                    // A sequence such as `ESC [ 31 m` ends with a letter.
                    if chars.next_if_eq(&'[').is_some() {
                        while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                        let _letter = chars.next();
                    }
                }
                '\n' | '\t' => return Some(' '),
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => {}
                c if c.is_control() => {}
                c => return Some(c),
            }
        }
    })
}

fn cut(mut chars: impl Iterator<Item = char>, most: usize) -> String {
    let mut out: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_made_fit_to_be_shown() {
        for (raw, shown) in [
            ("esc \u{1b}[31mred\u{1b}[0m \u{0}nul\u{7}", "esc red nul"),
            ("one\r\ntwo\tthree", "one two three"),
            ("\u{202e}gnp.\u{2028}", "gnp."),
            ("\u{1b}[2", ""),
            ("ünï 漢字 🚀", "ünï 漢字 🚀"),
        ] {
            assert_eq!(&*Text::from(raw), shown, "{raw:?}");
        }
        assert_eq!(&*Text::lines("a\u{1b}[1m\r\n  b\n\n"), "a\n  b");
        let long = Text::from("ä".repeat(3000));
        assert_eq!(long.chars().count(), MAX_LINE + 1);
        assert!(long.ends_with('…'));
    }
}
