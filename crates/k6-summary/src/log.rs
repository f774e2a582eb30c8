//! Exceptions in k6's log: the summary knows how many there were, the log what they say.

use std::fmt;

use serde::Deserialize;

use crate::text::one_line;

/// How k6 begins to say that `exec.test.abort` was called.
const ABORTED: &str = "test aborted: ";
/// How k6 begins to say that `exec.test.fail` was called.
const FAILED: &str = "test marked as failed: ";
/// How much of a message is kept, in characters.
const LONGEST_MESSAGE: usize = 200;

/// What k6's log says of the script, if it is written with `--log-format=json`. Feed it every line
/// that k6 writes, in order; what is no entry of the log is passed over.
///
/// ```
/// let mut log = k6_summary::Log::default();
/// log.line(r#"{"level":"error","executor":"constant-vus","msg":"TypeError: no\n\tat default (file:///t/mine.js:10:20(26))\n"}"#);
/// assert_eq!(log.exceptions(), 1);
/// assert_eq!(log.first_exception().unwrap().to_string(), "TypeError: no, at mine.js:10");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log {
    exceptions: u64,
    first: Option<Exception>,
    end: Option<(End, Exception)>,
}

/// An exception of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// What it says, on one line and cut if it is long.
    pub message: String,
    /// Where it was thrown in the script, as `mine.js:10`, if k6 says.
    pub place: Option<String>,
}

/// An entry of the log, as far as it is read here.
#[derive(Deserialize)]
struct Entry {
    level: String,
    msg: String,
    executor: Option<String>,
    hint: Option<String>,
}

/// What it was that ended the test, or marked it as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Setup,
    Teardown,
    Loading,
    Abort,
    Failed,
}

impl Log {
    /// Takes note of a line.
    pub fn line(&mut self, line: &str) {
        let entry = line
            .starts_with('{')
            .then(|| serde_json::from_str(line).ok());
        let entry: Option<Entry> = entry.flatten();
        let Some(entry) = entry else {
            return;
        };
        let hint = entry.hint.as_deref();
        self.entry(&entry.level, &entry.msg, entry.executor.is_some(), hint);
    }

    /// Takes note of an entry of the log: its level, its message, whether it names an executor, as k6 does only of an
    /// exception that ended an iteration, and its hint.
    pub fn entry(&mut self, level: &str, text: &str, in_iteration: bool, hint: Option<&str>) {
        if level != "error" {
            return;
        }
        if in_iteration {
            self.exceptions += 1;
            self.first.get_or_insert_with(|| Exception::of(text));
        } else if let Some(end) = End::of(text, hint) {
            self.end
                .get_or_insert_with(|| (end, Exception::of(end.words(text))));
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

    pub(crate) fn end(&self) -> Option<&(End, Exception)> {
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

impl End {
    fn of(text: &str, hint: Option<&str>) -> Option<Self> {
        if text.starts_with(ABORTED) {
            return Some(Self::Abort);
        }
        if text.starts_with(FAILED) {
            return Some(Self::Failed);
        }
        (hint == Some("script exception")).then(|| {
            if text.contains("\tat setup (") {
                Self::Setup
            } else if text.contains("\tat teardown (") {
                Self::Teardown
            } else {
                Self::Loading
            }
        })
    }

    /// The script's own words within k6's.
    fn words(self, text: &str) -> &str {
        let words = [ABORTED, FAILED]
            .iter()
            .find_map(|prefix| text.strip_prefix(prefix))
            .unwrap_or(text);
        match self {
            Self::Abort => words.split(" at ").next().unwrap_or(words),
            _ => words,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Setup => "setup() ended with an exception",
            Self::Teardown => "teardown() ended with an exception",
            Self::Loading => "the script ended with an exception while it was loaded",
            Self::Abort => "the script aborted the test",
            Self::Failed => "the script marked the test as failed",
        })
    }
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
