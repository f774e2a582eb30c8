//! Exceptions in k6's log: the summary knows how many there were, the log what they say.

use std::fmt;

use crate::text::one_line;

/// How k6 begins to say that `exec.test.abort` was called.
const ABORTED: &str = "test aborted: ";
/// How k6 begins to say that `exec.test.fail` was called.
const FAILED: &str = "test marked as failed: ";
/// How much of a message is kept, in characters.
const LONGEST_MESSAGE: usize = 200;

/// What k6's log says of the script, if it is written with `--log-format=json`. Feed it every entry, in order.
///
/// ```
/// let mut log = k6_summary::Log::default();
/// log.entry("error", "TypeError: no\n\tat default (file:///t/mine.js:10:20(26))\n", true, None);
/// assert_eq!(log.exceptions(), 1);
/// assert_eq!(log.first_exception().unwrap().to_string(), "TypeError: no, at mine.js:10");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    exceptions: u64,
    first: Option<Exception>,
    /// What ended the test or marked it as failed, in words.
    end: Option<(&'static str, Exception)>,
}

/// An exception of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What it says, on one line and cut if it is long.
    pub message: String,
    /// Where it was thrown in the script, as `mine.js:10`, if k6 says.
    pub place: Option<String>,
}

impl Log {
    /// Takes note of an entry of the log: its level, its message, whether it names an executor, as k6 does only of an
    /// exception that ended an iteration, and its hint.
    pub fn entry(&mut self, level: &str, text: &str, in_iteration: bool, hint: Option<&str>) {
        if level != "error" {
            return;
        }
        if in_iteration {
            self.exceptions += 1;
            self.first.get_or_insert_with(|| Exception::of(text));
        } else if let Some((what, words)) = end(text, hint) {
            self.end.get_or_insert_with(|| (what, Exception::of(words)));
        }
    }

    /// How many iterations ended with an exception, those in callbacks among them.
    #[must_use]
    pub fn exceptions(&self) -> u64 {
        self.exceptions
    }

    /// The first exception of an iteration.
    #[must_use]
    pub fn first_exception(&self) -> Option<&Exception> {
        self.first.as_ref()
    }

    /// The same with so many exceptions less.
    pub(crate) fn less(&self, exceptions: u64) -> Self {
        Self {
            exceptions: self.exceptions.saturating_sub(exceptions),
            ..self.clone()
        }
    }

    pub(crate) fn end(&self) -> Option<&(&'static str, Exception)> {
        self.end.as_ref()
    }
}

impl Exception {
    /// Takes message and place out of what k6 logs: the message, then a line for each frame.
    fn of(text: &str) -> Self {
        let message = text.split("\n\tat ").next().unwrap_or(text);
        let message = ["Uncaught (in promise) ", "GoError: "]
            .iter()
            .fold(message, |message, prefix| {
                message.strip_prefix(prefix).unwrap_or(message)
            });
        Self {
            message: one_line(message, LONGEST_MESSAGE),
            place: place(text),
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.place {
            Some(place) => write!(f, ", at {place}"),
            None => Ok(()),
        }
    }
}

/// What it is that ends the test or marks it as failed, and the script's own words within k6's.
fn end<'t>(text: &'t str, hint: Option<&str>) -> Option<(&'static str, &'t str)> {
    if let Some(words) = text.strip_prefix(ABORTED) {
        let words = words.split(" at ").next().unwrap_or(words);
        return Some(("the script aborted the test", words));
    }
    if let Some(words) = text.strip_prefix(FAILED) {
        return Some(("the script marked the test as failed", words));
    }
    let what = match hint {
        Some("script exception") if text.contains("\tat setup (") => {
            "setup() ended with an exception"
        }
        Some("script exception") if text.contains("\tat teardown (") => {
            "teardown() ended with an exception"
        }
        Some("script exception") => "the script ended with an exception while it was loaded",
        _ => return None,
    };
    Some((what, text))
}

/// The first frame of a stack that is the script's own: not k6's, and not of `main.js`, which calls it.
fn place(stack: &str) -> Option<String> {
    stack.split("file://").skip(1).find_map(|frame| {
        let end = frame.find(['(', ')', '\n']).unwrap_or(frame.len());
        let mut parts = frame[..end].rsplitn(3, ':');
        let (_column, line, path) = (parts.next()?, parts.next()?, parts.next()?);
        let file = path.rsplit('/').next()?;
        (file != "main.js").then(|| format!("{file}:{line}"))
    })
}
