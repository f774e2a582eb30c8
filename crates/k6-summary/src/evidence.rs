//! What a verdict rests on.

use serde::{Deserialize, Serialize};

use crate::error::ParseError;
use crate::exit_code::K6Exit;
use crate::summary::Summary;

/// Least share of checks that must pass unless the caller says otherwise.
pub const DEFAULT_MIN_CHECKS: f64 = 0.95;

/// All that is known of one test after k6 has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence<'a> {
    /// What k6 measured, or why that is not known.
    pub summary: Result<&'a Summary, SummaryProblem>,
    /// How k6 ended.
    pub exit: K6Exit,
    /// Least share of all checks that must pass, 0 to 1; anything else never passes.
    pub min_checks: f64,
    /// The server's state at the end of the test.
    pub server: ServerState,
    /// Whether somebody asked the run to stop before its end.
    pub interrupted: bool,
}

/// Why there is no summary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SummaryProblem {
    /// k6 left no file.
    Missing,
    /// The file is cut off or empty.
    Truncated(String),
    /// The file cannot be read, or is not a summary.
    Unreadable(String),
}

impl From<&ParseError> for SummaryProblem {
    fn from(error: &ParseError) -> Self {
        match error {
            ParseError::Empty | ParseError::Truncated { .. } => Self::Truncated(error.to_string()),
            ParseError::NotJson { .. } | ParseError::NotASummary { .. } => {
                Self::Unreadable(error.to_string())
            }
        }
    }
}

impl From<ParseError> for SummaryProblem {
    fn from(error: ParseError) -> Self {
        Self::from(&error)
    }
}

/// How the server was at the end of a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "description")]
pub enum ServerState {
    /// Alive, and its health check answers as it should.
    Healthy,
    /// Somebody else started it, so its state is theirs to watch.
    NotOurs,
    /// Its process has ended; in words how: "exited with code 101", "was killed by signal 9".
    Dead(String),
    /// Its process lives, but its health check fails; in words how: "answered 503".
    Unhealthy(String),
}
