//! Why a test did not pass, one sentence each.

use std::fmt;

use crate::exit_code::{K6Exit, describe_exit_code};
use crate::log::Exception;
use crate::threshold::ThresholdRow;
use crate::unit::{Quantity, Unit};

/// Why a test did not pass. The order of the variants is the order in which a verdict lists them:
/// causes before what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Somebody asked the run to stop.
    Interrupted,
    /// The load generator or its machine was at its limit, in a sentence, and nothing is known of the
    /// server.
    Generator(String),
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
    /// The script itself ended the test, or marked it as failed.
    ScriptEnded {
        /// How, and with which words.
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
    /// Nothing but `setup` and `teardown` reached a server.
    OnlySetupRequests {
        /// Iterations that completed.
        iterations: u64,
        /// HTTP requests and WebSocket sessions of `setup` and `teardown`.
        requests: u64,
    },
    /// Every single HTTP request failed.
    AllRequestsFailed {
        /// How many.
        requests: u64,
    },
    /// Too many iterations ended with an exception.
    Exceptions {
        /// How many did.
        exceptions: u64,
        /// Of how many.
        iterations: u64,
        /// Greatest share that may.
        maximum: f64,
        /// The first of them, if k6's log has it.
        first: Option<Exception>,
    },
    /// More iterations than requests: some of them did nothing.
    FewRequests {
        /// Iterations that completed.
        iterations: u64,
        /// HTTP requests and WebSocket sessions that they made.
        requests: u64,
    },
    /// Another number of virtual users than planned.
    VirtualUsers {
        /// As many as the profile asks for.
        planned: u64,
        /// As many as k6 had ready.
        ready: u64,
    },
    /// Iterations did not begin, since no virtual user was free.
    DroppedIterations {
        /// How many did not.
        dropped: u64,
        /// How many should have.
        planned: u64,
    },
    /// A check was never made that must be.
    CheckNotMade {
        /// Its name.
        check: String,
    },
    /// A check was made, and failed each time.
    CheckNeverPassed {
        /// Name with groups.
        check: String,
        /// How often it was made.
        total: u64,
    },
    /// So many checks never passed that not all are named.
    MoreChecksNeverPassed {
        /// How many more.
        more: usize,
    },
    /// No check was made at all.
    NoChecks,
    /// A threshold was crossed.
    ThresholdCrossed(ThresholdRow),
    /// A rule of evidence does not hold, or has no samples to hold for.
    RuleBroken(ThresholdRow),
    /// Nothing was held against a bound that would show that the server did what was asked.
    NothingEvaluated,
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
    /// Whether it says that something planned or expected was not seen.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::FewRequests { .. }
                | Self::VirtualUsers { .. }
                | Self::CheckNotMade { .. }
                | Self::RuleBroken(_)
        )
    }

    /// Whether it says that k6 did not come to its end.
    pub(crate) fn is_of_k6(&self) -> bool {
        matches!(
            self,
            Self::K6Exit { .. }
                | Self::SummaryMissing
                | Self::SummaryTruncated { .. }
                | Self::SummaryUnreadable { .. }
        )
    }

    /// Place in a verdict's list: that of the variant above.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Generator(_) => 1,
            Self::ServerDied { .. } => 2,
            Self::ServerUnhealthy { .. } => 3,
            Self::ScriptEnded { .. } => 4,
            Self::K6Exit { .. } => 5,
            Self::SummaryMissing => 6,
            Self::SummaryTruncated { .. } => 7,
            Self::SummaryUnreadable { .. } => 8,
            Self::NoIteration { .. } => 9,
            Self::NoTraffic { .. } => 10,
            Self::OnlySetupRequests { .. } => 11,
            Self::AllRequestsFailed { .. } => 12,
            Self::Exceptions { .. } => 13,
            Self::FewRequests { .. } => 14,
            Self::VirtualUsers { .. } => 15,
            Self::DroppedIterations { .. } => 16,
            Self::CheckNotMade { .. } => 17,
            Self::CheckNeverPassed { .. } => 18,
            Self::MoreChecksNeverPassed { .. } => 19,
            Self::NoChecks => 20,
            Self::ThresholdCrossed(_) => 21,
            Self::RuleBroken(_) => 22,
            Self::NothingEvaluated => 23,
            Self::ChecksBelowMinimum { .. } => 24,
            Self::ThresholdNotJudged(_) => 25,
            Self::ExitDisagrees { .. } => 26,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the run was interrupted before its end"),
            Self::Generator(limit) => write!(f, "could not be measured: {limit}"),
            Self::ServerDied { description } => {
                write!(f, "the server died during the test: {description}")
            }
            Self::ServerUnhealthy { description } => {
                write!(f, "the server is not healthy after the test: {description}")
            }
            Self::ScriptEnded { description } => f.write_str(description),
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
            Self::OnlySetupRequests {
                iterations,
                requests,
            } => write!(
                f,
                "setup and teardown made all requests ({}), {} iterations made none",
                count(*requests),
                count(*iterations)
            ),
            Self::AllRequestsFailed { requests } => {
                let requests = count(*requests);
                write!(f, "100 % of requests failed ({requests} of {requests})")
            }
            Self::Exceptions {
                exceptions: thrown,
                iterations,
                maximum,
                first,
            } => write!(
                f,
                "{}; at most {} may",
                exceptions(*thrown, *iterations, first.as_ref()),
                Quantity::new(*maximum, Unit::Ratio)
            ),
            Self::FewRequests {
                iterations,
                requests,
            } => write!(
                f,
                "{} iterations made only {} requests, at least one each was expected",
                count(*iterations),
                count(*requests)
            ),
            Self::VirtualUsers { planned, ready } => write!(
                f,
                "vus_max: {}, the profile plans {}: another load was made",
                count(*ready),
                count(*planned)
            ),
            Self::DroppedIterations { dropped, planned } => write!(
                f,
                "dropped_iterations: {} of {} did not begin, for no virtual user was free: the \
                 planned load was not made",
                count(*dropped),
                count(*planned)
            ),
            Self::CheckNotMade { check } => write!(f, "check \"{check}\" was never made"),
            Self::CheckNeverPassed { check, total } => {
                write!(f, "check \"{check}\" never passed (0 of {})", count(*total))
            }
            Self::MoreChecksNeverPassed { more: 1 } => f.write_str("1 more check never passed"),
            Self::MoreChecksNeverPassed { more } => {
                write!(f, "{} more checks never passed", count(*more as u64))
            }
            Self::NoChecks => {
                f.write_str("no check was made: nothing shows that answers were right")
            }
            Self::ThresholdCrossed(row) => {
                write!(f, "{} {}: ", row.metric, row.expression)?;
                match row.value_text() {
                    Some(value) => f.write_str(&value)?,
                    None => f.write_str("crossed")?,
                }
                match &row.note {
                    Some(note) => write!(f, " ({note})"),
                    None => Ok(()),
                }
            }
            Self::RuleBroken(row) => {
                write!(f, "evidence {} {}: ", row.metric, row.expression)?;
                match row.value_text() {
                    Some(value) => write!(f, "{value}, not {}", row.bound_text()),
                    None => f.write_str("no samples"),
                }
            }
            Self::NothingEvaluated => f.write_str(
                "no threshold of the script was evaluated, and no rule of evidence stands for it",
            ),
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

/// How many of how many iterations ended with an exception, and with which one.
pub(crate) fn exceptions(exceptions: u64, iterations: u64, first: Option<&Exception>) -> String {
    let all = count(iterations);
    let mut text = format!(
        "{} of {all} iterations ended with an exception",
        count(exceptions)
    );
    if let Some(Exception { message, place }) = first {
        text.push_str(&format!(": {message}"));
        if let Some(place) = place {
            text.push_str(&format!(", first at {place}"));
        }
    }
    text
}
