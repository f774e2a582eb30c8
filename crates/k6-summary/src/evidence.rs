//! What a verdict rests on.

use serde_json::error::Category;

use crate::exit_code::K6Exit;
use crate::limits::Limits;
use crate::log::Log;
use crate::summary::Summary;

/// Least share of checks that must pass unless the caller says otherwise.
pub const DEFAULT_MIN_CHECKS: f64 = 0.95;

/// Greatest share of iterations that may end with an exception unless the caller says otherwise:
/// that of requests which the specification lets fail.
pub const DEFAULT_MAX_EXCEPTIONS: f64 = 0.01;

/// All that is known of one test after k6 has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence<'a> {
    /// What k6 measured, or why that is not known.
    pub summary: Result<&'a Summary, SummaryProblem>,
    /// What k6 logged.
    pub log: &'a Log,
    /// How k6 ended.
    pub exit: K6Exit,
    /// Least share of all checks that must pass, 0 to 1; anything else never passes.
    pub min_checks: f64,
    /// Greatest share of iterations that may end with an exception, 0 to 1.
    pub max_exceptions: f64,
    /// How many virtual users k6 had to have ready by its own plan; none if the plan leaves that
    /// open, as arrival rates do, or if the load was changed on purpose.
    pub planned_vus: Option<u64>,
    /// What limited the load generator itself.
    pub limits: Limits,
    /// The server's state at the end of the test.
    pub server: ServerState,
    /// Whether somebody asked the run to stop before its end.
    pub interrupted: bool,
}

/// Why there is no summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SummaryProblem {
    /// k6 left no file.
    Missing,
    /// The file cannot be read, is empty, cut off, or not a summary.
    Unreadable(String),
}

impl From<serde_json::Error> for SummaryProblem {
    /// Why a text could not be read as the data of `handleSummary`.
    fn from(error: serde_json::Error) -> Self {
        match error.classify() {
            Category::Eof => Self::Unreadable(format!(
                "the summary is cut off at line {}, column {}",
                error.line(),
                error.column()
            )),
            Category::Data => Self::Unreadable(format!(
                "the file is JSON, but not what k6 gives to handleSummary: {error}; \
                 was it written by load-tests/main.js?"
            )),
            Category::Syntax | Category::Io => {
                Self::Unreadable(format!("the summary is not valid JSON: {error}"))
            }
        }
    }
}

/// How the server was at the end of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// Alive, and its health check answers as it should.
    Healthy,
    /// Its process has ended; in words how: "exited with code 101", "was killed by signal 9".
    Dead(String),
    /// Its process lives, but its health check fails; in words how: "answered 503".
    Unhealthy(String),
}
