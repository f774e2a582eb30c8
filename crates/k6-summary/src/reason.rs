//! Why a test did not pass, one sentence each.

use std::fmt;

use crate::exit_code::{K6Exit, describe_exit_code};
use crate::log::Exception;
use crate::text::brief;
use crate::threshold::{ThresholdRow, ThresholdState};
use crate::unit::{Quantity, Unit};

/// How many words a reason may have, so that 20 are left for all with the name of its test.
const MOST_WORDS: usize = 19;
/// How many of a name or message that a script or server made up: the rest of the longest sentence needs 12.
const WORDS_OF_OTHERS: usize = 7;

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
            Self::ChecksNeverPassed { .. } => 18,
            Self::NoChecks => 19,
            Self::ThresholdCrossed(_) => 20,
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
        self.rank() <= 12
    }

    /// How many times its bound a value is, by which the worst of crossed thresholds comes first.
    pub(crate) fn excess(&self) -> f64 {
        let (Self::ThresholdCrossed(row) | Self::RuleBroken(row)) = self else {
            return 0.0;
        };
        let is_upper = row
            .operator
            .as_deref()
            .is_some_and(|it| it.starts_with('<'));
        match row.value.zip(row.bound) {
            Some((value, bound)) if is_upper => value / bound,
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
            Self::AllRequestsFailed { .. }
            | Self::Exceptions { .. }
            | Self::ChecksNeverPassed { .. }
            | Self::ChecksBelowMinimum { .. } => true,
            // A rate of another kind, such as of hits of a cache, has its own reasons.
            Self::ThresholdCrossed(row) => {
                let is_upper = row
                    .operator
                    .as_deref()
                    .is_some_and(|it| it.starts_with('<'));
                let is_checks = row.metric.starts_with("checks");
                row.unit == Unit::Ratio && (is_upper || is_checks)
            }
            _ => false,
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
            Self::ScriptEnded { description } => f.write_str(&brief(description, MOST_WORDS)),
            Self::K6Exit { exit } => exit.fmt(f),
            Self::SummaryMissing => f.write_str("k6 wrote no summary"),
            Self::SummaryTruncated { description } | Self::SummaryUnreadable { description } => {
                f.write_str(&brief(description, MOST_WORDS))
            }
            Self::NoIteration {
                duration_ms,
                requests,
            } => {
                let nothing = match requests {
                    0 => "no iteration and no request",
                    _ => "no iteration",
                };
                let seconds = Quantity::new(duration_ms / 1e3, Unit::None);
                write!(f, "{nothing} completed in {seconds} s")
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
                "setup and teardown made all requests ({}); {} iterations made none",
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
                exceptions(*thrown, *iterations, first.as_ref(), WORDS_OF_OTHERS),
                Quantity::new(*maximum, Unit::Ratio)
            ),
            Self::FewRequests {
                iterations,
                requests,
            } => write!(
                f,
                "{} iterations made only {} requests; each was expected to make one",
                count(*iterations),
                count(*requests)
            ),
            Self::VirtualUsers { planned, ready } => write!(
                f,
                "k6 had {} virtual users and the profile plans {}: another load was made",
                count(*ready),
                count(*planned)
            ),
            Self::DroppedIterations { dropped, planned } => write!(
                f,
                "{} of {} planned iterations did not begin: no virtual user was free",
                count(*dropped),
                count(*planned)
            ),
            Self::CheckNotMade { check } => write!(f, "check \"{}\" was never made", name(check)),
            Self::ChecksNeverPassed { check, total, more } => {
                let (check, total) = (name(check), count(*total));
                write!(f, "check \"{check}\" never passed (0 of {total})")?;
                match more {
                    0 => Ok(()),
                    1 => f.write_str(", nor did 1 other"),
                    more => write!(f, ", nor did {} others", count(*more as u64)),
                }
            }
            Self::NoChecks => {
                f.write_str("no check was made: nothing shows that answers were right")
            }
            Self::ThresholdCrossed(row) => crossed(f, row),
            Self::RuleBroken(row) => match row.value_text() {
                Some(_) => crossed(f, row),
                None => write!(
                    f,
                    "evidence is missing: {} has no samples",
                    name(&row.metric)
                ),
            },
            Self::NothingEvaluated => f.write_str(
                "no threshold of the script was evaluated, and no rule of evidence stands for it",
            ),
            Self::ChecksBelowMinimum {
                passes,
                total,
                minimum,
            } => write!(
                f,
                "{} of checks passed ({} of {}); at least {} must",
                Quantity::new(*passes as f64 / *total as f64, Unit::Ratio).distinct_from(*minimum),
                count(*passes),
                count(*total),
                Quantity::new(*minimum, Unit::Ratio),
            ),
            Self::ThresholdNotJudged(row) => write!(
                f,
                "k6 did not evaluate {} {}: were thresholds switched off?",
                name(&row.metric),
                brief(&row.expression, 3)
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

/// Leaves out what only says once more that requests failed: the table of thresholds and checks has all of it.
pub(crate) fn say_once(reasons: &mut Vec<Reason>) {
    let has = |is: fn(&Reason) -> bool| reasons.iter().any(is);
    let ended = has(|it| matches!(it, Reason::ScriptEnded { .. }));
    let died = has(|it| matches!(it, Reason::ServerDied { .. }));
    let all_failed = has(|it| matches!(it, Reason::AllRequestsFailed { .. }));
    // How many checks failed at least of those that never passed.
    let never = reasons.iter().find_map(|it| match it {
        Reason::ChecksNeverPassed { total, more, .. } => Some(total * (*more as u64 + 1)),
        _ => None,
    });
    reasons.retain(|reason| match reason {
        Reason::K6Exit { .. } | Reason::NoIteration { .. } => !(ended || died),
        Reason::AllRequestsFailed { .. } => !died,
        Reason::ChecksBelowMinimum { passes, total, .. } => {
            let is_said = never.is_some_and(|never| 2 * never >= total - passes);
            !(died || all_failed || is_said)
        }
        other => !((died || all_failed) && other.is_of_failed_requests()),
    });
}

/// Writes that a value does not keep its bound.
fn crossed(f: &mut fmt::Formatter<'_>, row: &ThresholdRow) -> fmt::Result {
    let operator = row.operator.as_deref().unwrap_or_default();
    let statistic = row.aggregation.as_deref().unwrap_or_default();
    let (Some(value), Some(bound)) = (row.value_text(), row.bound) else {
        let (metric, expression) = (name(&row.metric), brief(&row.expression, 3));
        return write!(f, "{metric} does not keep {expression}");
    };
    let value = match &row.note {
        Some(note) if row.state == ThresholdState::Crossed && !row.is_rule() => {
            format!("{value} ({})", brief(note, WORDS_OF_OTHERS))
        }
        _ => value,
    };
    let is_upper = operator.starts_with('<');
    match (row.metric.as_str(), is_upper) {
        ("http_req_failed", true) => write!(f, "{value} of requests failed")?,
        ("checks", false) => write!(f, "{value} of checks passed")?,
        _ => write!(f, "{} is {value}", spoken(&row.metric, statistic))?,
    }
    let limit = Quantity::new(bound, row.unit);
    match operator {
        "<" if row.value == Some(bound) => write!(f, "; it must be less than {limit}"),
        "<" | "<=" => write!(f, "; the limit is {limit}"),
        ">" => write!(f, "; it must be more than {limit}"),
        ">=" => write!(f, "; it must be at least {limit}"),
        "!=" => write!(f, "; it must not be {limit}"),
        _ => write!(f, "; it must be {limit}"),
    }
}

/// How people speak of a statistic of a metric: `p95 of requests`, `mission_create_duration median`.
#[must_use]
pub fn spoken(metric: &str, statistic: &str) -> String {
    let percentile = statistic.strip_prefix("p(");
    let percentile = percentile.and_then(|rest| Some(format!("p{}", rest.strip_suffix(')')?)));
    let statistic = percentile.unwrap_or_else(|| {
        let words = [
            ("med", "median"),
            ("avg", "mean"),
            ("min", "minimum"),
            ("max", "maximum"),
            ("value", ""),
        ];
        let words = words.iter().find(|(short, _)| *short == statistic);
        words.map_or(statistic, |(_, long)| long).to_owned()
    });
    match metric {
        "http_req_duration" => format!("{statistic} of requests"),
        "http_req_duration{expected_response:true}" => {
            format!("{statistic} of successful requests")
        }
        metric => format!("{} {statistic}", name(metric))
            .trim_end()
            .to_owned(),
    }
}

fn count(number: u64) -> Quantity {
    Quantity::new(number as f64, Unit::Count)
}

/// A name that somebody made up, in a few words.
fn name(text: &str) -> String {
    brief(text, WORDS_OF_OTHERS)
}

/// How many of how many iterations ended with an exception, and with which one, in `most` of its words.
pub(crate) fn exceptions(
    exceptions: u64,
    iterations: u64,
    first: Option<&Exception>,
    most: usize,
) -> String {
    let (thrown, all) = (count(exceptions), count(iterations));
    match first {
        None => format!("{thrown} of {all} iterations ended with an exception"),
        Some(Exception { message, place }) => {
            let place = place.iter().map(|place| format!(" ({place})"));
            format!(
                "{thrown} of {all} iterations ended with {}{}",
                brief(message, most),
                place.collect::<String>()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty";

    /// Every reason, with the longest texts that others may have put into it.
    fn all() -> Vec<Reason> {
        let description = LONG.to_owned();
        let check = LONG.to_owned();
        let row = |operator: &str, state| ThresholdRow {
            metric: LONG.to_owned(),
            expression: LONG.to_owned(),
            aggregation: Some("p(95)".to_owned()),
            operator: Some(operator.to_owned()),
            bound: Some(1000.0),
            value: Some(1204.2),
            unit: Unit::Milliseconds,
            state,
            note: None,
        };
        let crossed = || row("<", ThresholdState::Crossed);
        let noted = ThresholdRow {
            metric: "ws_errors".to_owned(),
            note: Some(LONG.to_owned()),
            ..crossed()
        };
        let unknown = ThresholdRow {
            bound: None,
            ..crossed()
        };
        let unsampled = ThresholdRow {
            value: None,
            ..row(">=", ThresholdState::NotEvaluated)
        };
        let first = Exception {
            message: LONG.to_owned(),
            place: Some("mine.js:10".to_owned()),
        };
        let (iterations, requests, total) = (29_144, 29_144, 29_144);
        vec![
            Reason::Interrupted,
            Reason::ScriptEnded {
                description: description.clone(),
            },
            Reason::K6Exit {
                exit: K6Exit::Code(255),
            },
            Reason::SummaryMissing,
            Reason::SummaryTruncated {
                description: description.clone(),
            },
            Reason::SummaryUnreadable { description },
            Reason::NoIteration {
                duration_ms: 31_500.0,
                requests: 0,
            },
            Reason::NoTraffic { iterations },
            Reason::OnlySetupRequests {
                iterations,
                requests,
            },
            Reason::AllRequestsFailed { requests },
            Reason::Exceptions {
                exceptions: iterations,
                iterations,
                maximum: 0.01,
                first: Some(first),
            },
            Reason::FewRequests {
                iterations,
                requests,
            },
            Reason::VirtualUsers {
                planned: 50,
                ready: 10,
            },
            Reason::DroppedIterations {
                dropped: 260,
                planned: 300,
            },
            Reason::CheckNotMade {
                check: check.clone(),
            },
            Reason::ChecksNeverPassed {
                check,
                total,
                more: 3,
            },
            Reason::NoChecks,
            Reason::ThresholdCrossed(crossed()),
            Reason::ThresholdCrossed(noted),
            Reason::ThresholdCrossed(unknown),
            Reason::RuleBroken(row(">=", ThresholdState::Crossed)),
            Reason::RuleBroken(unsampled),
            Reason::NothingEvaluated,
            Reason::ChecksBelowMinimum {
                passes: 9,
                total,
                minimum: 0.95,
            },
            Reason::ThresholdNotJudged(crossed()),
            Reason::ExitDisagrees {
                code: 99,
                crossed: 2,
            },
        ]
    }

    #[test]
    fn no_reason_has_more_than_twenty_words_with_its_test() {
        let mut reasons = all();
        for reason in &reasons {
            let text = format!("missions: {reason}");
            assert!(text.split_whitespace().count() <= 20, "{text}");
        }
        // What the caller brings: the server's and the generator's own words.
        reasons.extend([
            Reason::Generator(String::new()),
            Reason::ServerDied {
                description: String::new(),
            },
            Reason::ServerUnhealthy {
                description: String::new(),
            },
        ]);
        let ranks: std::collections::BTreeSet<u8> = reasons.iter().map(Reason::rank).collect();
        assert_eq!(
            ranks.into_iter().collect::<Vec<_>>(),
            (0..=Reason::LAST).collect::<Vec<_>>(),
            "a kind of reason is not tried"
        );
    }

    #[test]
    fn a_bound_is_told_in_the_unit_of_its_value() {
        let said = |metric: &str, expression: &str, value, unit| {
            let it = crate::Expression::parse(expression).unwrap();
            Reason::ThresholdCrossed(ThresholdRow {
                metric: metric.to_owned(),
                expression: expression.to_owned(),
                aggregation: Some(it.aggregation.to_string()),
                operator: Some(it.operator.to_string()),
                bound: Some(it.bound),
                value: Some(value),
                unit,
                state: ThresholdState::Crossed,
                note: None,
            })
            .to_string()
        };
        let (ms, ratio, count) = (Unit::Milliseconds, Unit::Ratio, Unit::Count);
        for (metric, expression, value, unit, sentence) in [
            (
                "mission_create_duration",
                "p(95)<1000",
                1204.2,
                ms,
                "mission_create_duration p95 is 1,204 ms; the limit is 1,000 ms",
            ),
            (
                "http_req_duration",
                "med<500",
                500.0,
                ms,
                "median of requests is 500 ms; it must be less than 500 ms",
            ),
            (
                "http_req_duration{expected_response:true}",
                "p(99.9)<1500",
                30_000.0,
                ms,
                "p99.9 of successful requests is 30,000 ms; the limit is 1,500 ms",
            ),
            (
                "http_req_failed",
                "rate<0.01",
                0.044,
                ratio,
                "4.4 % of requests failed; the limit is 1 %",
            ),
            (
                "checks",
                "rate>0.9",
                0.5,
                ratio,
                "50 % of checks passed; it must be more than 90 %",
            ),
            (
                "missions_created",
                "count>=10",
                0.0,
                count,
                "missions_created count is 0; it must be at least 10",
            ),
            (
                "bad_answers",
                "count==0",
                3.0,
                count,
                "bad_answers count is 3; it must be 0",
            ),
            (
                "queue",
                "value<=5",
                9.0,
                Unit::None,
                "queue is 9; the limit is 5",
            ),
        ] {
            assert_eq!(said(metric, expression, value, unit), sentence);
        }
    }
}
