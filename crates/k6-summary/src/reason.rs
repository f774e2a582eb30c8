//! Why a test did not pass: what there is to say, in which order, and what of it is said once.

mod words;

use crate::exit_code::K6Exit;
use crate::log::Exception;
use crate::threshold::ThresholdRow;
use crate::unit::Unit;

pub(crate) use words::exceptions;
pub use words::{MOST_WORDS, spoken};

/// Why a test did not pass. The order of the variants is the order in which a verdict lists them:
/// causes before what follows from them.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// Somebody asked the run to stop.
    Interrupted,
    /// The load generator or its machine was at its limit, in a sentence, and nothing is known of the
    /// server.
    Generator(String),
    /// The server's process ended during the test, and how.
    ServerDied(String),
    /// The server lives, but its health check fails, and how.
    ServerUnhealthy(String),
    /// The script itself ended the test, or marked it as failed: how, and with which words.
    ScriptEnded(String),
    /// k6 ended in this way, and not as a test run does.
    K6Exit(K6Exit),
    /// k6 left no summary.
    SummaryMissing,
    /// The summary cannot be read, and why.
    SummaryUnreadable(String),
    /// No iteration came to its end.
    NoIteration {
        /// How long the test ran.
        duration_ms: f64,
        /// HTTP requests and WebSocket sessions that were made all the same.
        requests: u64,
    },
    /// So many iterations completed, and nothing of them reached a server.
    NoTraffic(u64),
    /// Nothing but `setup` and `teardown` reached a server.
    OnlySetupRequests {
        /// Iterations that completed.
        iterations: u64,
        /// HTTP requests and WebSocket sessions of `setup` and `teardown`.
        requests: u64,
    },
    /// Every single HTTP request failed of so many.
    AllRequestsFailed(u64),
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
    /// The check of this name was never made, and must be.
    CheckNotMade(String),
    /// Checks were made, and failed each time.
    ChecksNeverPassed {
        /// The first one's name, with groups.
        check: String,
        /// How often it was made.
        total: u64,
        /// How many others never passed.
        more: usize,
    },
    /// No check was made at all.
    NoChecks,
    /// A threshold was crossed.
    ThresholdCrossed(ThresholdRow),
    /// The value of a threshold or rule is an estimate, and what it can be does not decide.
    ThresholdUndecided(ThresholdRow),
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
    /// The last rank.
    const LAST: u8 = 25;

    /// Whether it says that something planned or expected was not seen.
    pub(crate) fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::FewRequests { .. }
                | Self::VirtualUsers { .. }
                | Self::CheckNotMade(_)
                | Self::RuleBroken(_)
        )
    }

    /// Whether it says that k6 did not come to its end.
    pub(crate) fn is_of_k6(&self) -> bool {
        matches!(
            self,
            Self::K6Exit(_) | Self::SummaryMissing | Self::SummaryUnreadable(_)
        )
    }

    /// Place in a verdict's list: that of the variant above.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Interrupted => 0,
            Self::Generator(_) => 1,
            Self::ServerDied(_) => 2,
            Self::ServerUnhealthy(_) => 3,
            Self::ScriptEnded(_) => 4,
            Self::K6Exit(_) => 5,
            Self::SummaryMissing => 6,
            Self::SummaryUnreadable(_) => 7,
            Self::NoIteration { .. } => 8,
            Self::NoTraffic(_) => 9,
            Self::OnlySetupRequests { .. } => 10,
            Self::AllRequestsFailed(_) => 11,
            Self::Exceptions { .. } => 12,
            Self::FewRequests { .. } => 13,
            Self::VirtualUsers { .. } => 14,
            Self::DroppedIterations { .. } => 15,
            Self::CheckNotMade(_) => 16,
            Self::ChecksNeverPassed { .. } => 17,
            Self::NoChecks => 18,
            Self::ThresholdCrossed(_) => 19,
            Self::ThresholdUndecided(_) => 20,
            Self::RuleBroken(_) => 21,
            Self::NothingEvaluated => 22,
            Self::ChecksBelowMinimum { .. } => 23,
            Self::ThresholdNotJudged(_) => 24,
            Self::ExitDisagrees { .. } => Self::LAST,
        }
    }

    /// Whether it is why a test has few or no numbers, and so comes before what they say.
    #[must_use]
    pub fn is_cause(&self) -> bool {
        self.rank() <= 11
    }

    /// How many times its bound a value is, by which the worst of crossed thresholds comes first.
    pub(crate) fn excess(&self) -> f64 {
        let (Self::ThresholdCrossed(row) | Self::RuleBroken(row)) = self else {
            return 0.0;
        };
        match row.value.zip(row.bound) {
            Some((value, bound)) if row.is_upper() => value / bound,
            // As of `count==0`.
            Some((_, 0.0)) => f64::INFINITY,
            Some((value, bound)) => bound / value,
            None => 0.0,
        }
    }

    /// Whether it follows from requests that failed, and says no more than that.
    #[must_use]
    pub fn is_of_failed_requests(&self) -> bool {
        match self {
            Self::AllRequestsFailed(_)
            | Self::Exceptions { .. }
            | Self::ChecksNeverPassed { .. }
            | Self::ChecksBelowMinimum { .. } => true,
            // A rate of another kind, such as of hits of a cache, has its own reasons.
            Self::ThresholdCrossed(row) => {
                let is_checks = row.is_of("checks");
                row.unit == Unit::Ratio && (row.is_upper() || is_checks)
            }
            _ => false,
        }
    }
}

/// Leaves out what only says once more that requests failed: the table of thresholds and checks has all of it.
pub(crate) fn say_once(reasons: &mut Vec<Reason>) {
    let has = |is: fn(&Reason) -> bool| reasons.iter().any(is);
    let ended = has(|it| matches!(it, Reason::ScriptEnded(_)));
    let died = has(|it| matches!(it, Reason::ServerDied(_)));
    let all_failed = has(|it| matches!(it, Reason::AllRequestsFailed(_)));
    // How many checks failed at least of those that never passed.
    let never = reasons.iter().find_map(|it| match it {
        Reason::ChecksNeverPassed { total, more, .. } => Some(total * (*more as u64 + 1)),
        _ => None,
    });
    reasons.retain(|reason| match reason {
        Reason::K6Exit(_) | Reason::NoIteration { .. } => !(ended || died),
        Reason::AllRequestsFailed(_) => !died,
        Reason::ChecksBelowMinimum { passes, total, .. } => {
            let is_said = never.is_some_and(|never| 2 * never >= total - passes);
            !(died || all_failed || is_said)
        }
        other => !((died || all_failed) && other.is_of_failed_requests()),
    });
}
