//! A reason in a sentence of few words.

use std::fmt;

use super::Reason;
use crate::exit_code::describe_exit_code;
use crate::log::Exception;
use crate::text::brief;
use crate::threshold::{ThresholdRow, ThresholdState};
use crate::unit::{Quantity, Unit};

/// How many words a reason may have, so that with the name of its test there are 20: what is longer is not read on a phone.
pub const MOST_WORDS: usize = 19;
/// How many of a name or message that a script or server made up: the rest of the longest sentence needs 12.
const WORDS_OF_OTHERS: usize = 7;

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the run was interrupted before its end"),
            Self::Generator(limit) => write!(f, "could not be measured: {limit}"),
            Self::ServerDied(description) => {
                write!(f, "the server died during the test: {description}")
            }
            Self::ServerUnhealthy(description) => {
                write!(f, "the server is not healthy after the test: {description}")
            }
            Self::ScriptEnded(description) => f.write_str(&brief(description, MOST_WORDS)),
            Self::K6Exit(exit) => exit.fmt(f),
            Self::SummaryMissing => f.write_str("k6 wrote no summary"),
            Self::SummaryUnreadable(description) => f.write_str(&brief(description, MOST_WORDS)),
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
            Self::NoTraffic(iterations) => write!(
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
            Self::AllRequestsFailed(requests) => {
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
            Self::CheckNotMade(check) => write!(f, "check \"{}\" was never made", name(check)),
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
            Self::ThresholdUndecided(row) => write!(
                f,
                "{} is about {} ({}), limit {}: --exact decides",
                spoken(&row.metric, row.aggregation.as_deref().unwrap_or_default()),
                row.value_text().unwrap_or_default(),
                row.interval_text().unwrap_or_default(),
                Quantity::new(row.bound.unwrap_or_default(), row.unit)
            ),
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

/// Writes that a value does not keep its bound.
fn crossed(f: &mut fmt::Formatter<'_>, row: &ThresholdRow) -> fmt::Result {
    let operator = row.operator.as_deref().unwrap_or_default();
    let statistic = row.aggregation.as_deref().unwrap_or_default();
    let (Some(value), Some(bound)) = (row.value_text(), row.bound) else {
        let (metric, expression) = (name(&row.metric), brief(&row.expression, 3));
        return write!(f, "{metric} does not keep {expression}");
    };
    let value = row.interval_text().unwrap_or(value);
    let value = match &row.note {
        Some(note) if row.state == ThresholdState::Crossed && !row.is_rule() => {
            format!("{value} ({})", brief(note, WORDS_OF_OTHERS))
        }
        _ => value,
    };
    match (row.metric.as_str(), row.is_upper()) {
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
    use crate::exit_code::K6Exit;

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
            interval: Some((987.4, 1310.9)),
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
            Reason::ScriptEnded(description.clone()),
            Reason::K6Exit(K6Exit::Code(255)),
            Reason::SummaryMissing,
            Reason::SummaryUnreadable(description),
            Reason::NoIteration {
                duration_ms: 31_500.0,
                requests: 0,
            },
            Reason::NoTraffic(iterations),
            Reason::OnlySetupRequests {
                iterations,
                requests,
            },
            Reason::AllRequestsFailed(requests),
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
            Reason::CheckNotMade(check.clone()),
            Reason::ChecksNeverPassed {
                check,
                total,
                more: 3,
            },
            Reason::NoChecks,
            Reason::ThresholdCrossed(crossed()),
            Reason::ThresholdCrossed(noted),
            Reason::ThresholdCrossed(unknown),
            Reason::ThresholdUndecided(row("<", ThresholdState::Undecided)),
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
            Reason::ServerDied(String::new()),
            Reason::ServerUnhealthy(String::new()),
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
                interval: None,
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
