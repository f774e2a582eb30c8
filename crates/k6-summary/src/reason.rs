//! Why a test did not pass, one sentence each.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::exit_code::{K6Exit, describe_exit_code};
use crate::threshold::ThresholdRow;
use crate::unit::{Quantity, Unit};

/// Why a test did not pass. In JSON a reason has its `kind`, its parts, and its sentence as
/// `message`. The order of the variants is the order in which a verdict lists them: causes before
/// what follows from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reason {
    /// Somebody asked the run to stop.
    Interrupted,
    /// The server's process ended during the test.
    ServerDied {
        /// How.
        description: String,
    },
    /// The server lives, but its health check fails.
    ServerUnhealthy {
        /// How.
        description: String,
    },
    /// k6 ended in another way than a test run does.
    K6Exit {
        /// How.
        exit: K6Exit,
    },
    /// k6 left no summary.
    SummaryMissing,
    /// The summary is cut off.
    SummaryTruncated {
        /// Where.
        description: String,
    },
    /// The summary cannot be read.
    SummaryUnreadable {
        /// Why.
        description: String,
    },
    /// No iteration came to its end.
    NoIteration {
        /// How long the test ran.
        duration_ms: f64,
        /// HTTP requests and WebSocket sessions that were made all the same.
        requests: u64,
    },
    /// Iterations did nothing that reaches a server.
    NoTraffic {
        /// Iterations that completed.
        iterations: u64,
    },
    /// Every single HTTP request failed.
    AllRequestsFailed {
        /// How many.
        requests: u64,
    },
    /// A check was made, and failed each time.
    CheckNeverPassed {
        /// Name with groups.
        check: String,
        /// How often it was made.
        total: u64,
    },
    /// A threshold was crossed.
    ThresholdCrossed(ThresholdRow),
    /// Too few of all checks passed.
    ChecksBelowMinimum {
        /// Checks that passed.
        passes: u64,
        /// Checks that were made.
        total: u64,
        /// Least share that must pass.
        minimum: f64,
    },
    /// A threshold that the script asks for was not looked at, though its metric has samples.
    ThresholdNotJudged(ThresholdRow),
    /// k6's exit code and its summary tell different stories.
    ExitDisagrees {
        /// k6's exit code.
        code: i32,
        /// Crossed thresholds in the summary.
        crossed: usize,
    },
}

impl Reason {
    /// Place in a verdict's list: that of the variant above.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::ServerDied { .. } => 1,
            Self::ServerUnhealthy { .. } => 2,
            Self::K6Exit { .. } => 3,
            Self::SummaryMissing => 4,
            Self::SummaryTruncated { .. } => 5,
            Self::SummaryUnreadable { .. } => 6,
            Self::NoIteration { .. } => 7,
            Self::NoTraffic { .. } => 8,
            Self::AllRequestsFailed { .. } => 9,
            Self::CheckNeverPassed { .. } => 10,
            Self::ThresholdCrossed(_) => 11,
            Self::ChecksBelowMinimum { .. } => 12,
            Self::ThresholdNotJudged(_) => 13,
            Self::ExitDisagrees { .. } => 14,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the run was interrupted before its end"),
            Self::ServerDied { description } => {
                write!(f, "the server died during the test: {description}")
            }
            Self::ServerUnhealthy { description } => {
                write!(f, "the server is not healthy after the test: {description}")
            }
            Self::K6Exit { exit } => exit.fmt(f),
            Self::SummaryMissing => f.write_str("k6 wrote no summary"),
            Self::SummaryTruncated { description } | Self::SummaryUnreadable { description } => {
                f.write_str(description)
            }
            Self::NoIteration {
                duration_ms,
                requests,
            } => {
                let duration = Quantity::new(*duration_ms, Unit::Milliseconds);
                match requests {
                    0 => write!(f, "no iteration and no request completed in {duration}"),
                    _ => write!(f, "no iteration completed in {duration}"),
                }
            }
            Self::NoTraffic { iterations } => write!(
                f,
                "no HTTP request was made and no WebSocket opened in {} iterations",
                count(*iterations)
            ),
            Self::AllRequestsFailed { requests } => {
                let requests = count(*requests);
                write!(f, "100 % of requests failed ({requests} of {requests})")
            }
            Self::CheckNeverPassed { check, total } => {
                write!(f, "check \"{check}\" never passed (0 of {})", count(*total))
            }
            Self::ThresholdCrossed(row) => {
                write!(f, "{} {}: ", row.metric, row.expression)?;
                match row.value_text() {
                    Some(value) => f.write_str(&value),
                    None => f.write_str("crossed"),
                }
            }
            Self::ChecksBelowMinimum {
                passes,
                total,
                minimum,
            } => write!(
                f,
                "{} of checks passed ({} of {}), at least {} must",
                Quantity::new(*passes as f64 / *total as f64, Unit::Ratio).distinct_from(*minimum),
                count(*passes),
                count(*total),
                Quantity::new(*minimum, Unit::Ratio),
            ),
            Self::ThresholdNotJudged(row) => write!(
                f,
                "{} {}: k6 did not evaluate it (were thresholds switched off?)",
                row.metric, row.expression
            ),
            Self::ExitDisagrees { code, crossed } => {
                let meaning = describe_exit_code(*code);
                write!(f, "k6 exited with {code} ({meaning}), but its summary has ")?;
                match crossed {
                    0 => f.write_str("no crossed threshold"),
                    1 => f.write_str("1 crossed threshold"),
                    many => write!(f, "{many} crossed thresholds"),
                }
            }
        }
    }
}

fn count(number: u64) -> Quantity {
    Quantity::new(number as f64, Unit::Count)
}

/// Serializes reasons with their sentences, so that readers of the JSON need not build them.
pub(crate) fn with_messages<S: Serializer>(
    reasons: &[Reason],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct WithMessage<'a> {
        #[serde(flatten)]
        reason: &'a Reason,
        message: String,
    }
    serializer.collect_seq(reasons.iter().map(|reason| WithMessage {
        reason,
        message: reason.to_string(),
    }))
}
