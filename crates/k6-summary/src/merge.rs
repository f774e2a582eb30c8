//! One summary out of those of several k6 that made a part of the same load each.
//!
//! Counts add up. Percentiles do not, and their mean is wrong: four uneven runners had a mean p99 of 110 ms where the
//! exact one was 129.74. So each runner tells a few hundred percentiles of each trend, which bound how many of its samples
//! are below any value, and these bounds add up ([`grid`]).

mod exact;
mod grid;
mod line;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

pub use exact::merge_exact;
use grid::{Estimate, Grid, Merger};
pub use line::{LineProblem, RunnerSummary, ShortSummary};

use crate::exit_code::{K6Exit, THRESHOLDS_CROSSED};
use crate::expression::{Aggregation, Expression};
use crate::metric::{Contains, Metric, MetricKind, ThresholdResult, without_tags};
use crate::summary::Summary;
use crate::threshold::rows;
use crate::verdict::crossed;

/// What several k6 measured together.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// The summary that one k6 would have written, as far as it can be known: percentiles are estimates within
    /// [`Metric::intervals`], unless they are exact, and thresholds are judged anew.
    pub summary: Summary,
}

/// Why summaries do not make one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There are none.
    #[error("no runner has left a summary: there is nothing to merge")]
    Nothing,
    /// They are of different tests.
    #[error(
        "runners {one} and {other} did not run the same test: {what} is {is} on the one and {was} on the other"
    )]
    Different {
        /// The one runner.
        one: String,
        /// The other.
        other: String,
        /// What differs, such as `load_test.profile`.
        what: String,
        /// What it is on the one.
        is: String,
        /// What it is on the other.
        was: String,
    },
    /// A stream of samples is not that of its runner.
    #[error("the CSV of runner {runner} {problem}")]
    Samples {
        /// The runner.
        runner: String,
        /// What is wrong with it, and what may be the reason.
        problem: String,
    },
}

/// Merges the summaries of runners, each with its name.
///
/// - Counters and rates add up; what a counter has in a second is that over the longest run.
/// - Of the gauges `vus` and `vus_max` values, least and greatest add up. Of any other the value is the greatest that a
///   runner ended with, within the interval of those of all; a threshold holds if it does for each of them.
/// - Trends: count, mean, least and greatest are exact, percentiles estimates with an interval.
/// - Checks add up by their names within groups.
/// - Thresholds are judged anew, and are undecided if the bound is within the interval. Only if a runner's line does not
///   have the value, they are kept if each runner says so.
///
/// The order of the runners does not matter.
///
/// # Errors
/// If there are no summaries, or they are not of the same test.
pub fn merge(runners: &[(&str, RunnerSummary)]) -> Result<Merged, MergeError> {
    Ok(Merged {
        summary: merged(runners, |name, stats| {
            let grids: Vec<&Grid> = runners
                .iter()
                .filter_map(|(_, it)| it.grids.get(name))
                .collect();
            let of_runners = runners.iter().filter_map(|(_, it)| it.summary.metric(name));
            // Without the percentiles of one there are none of all.
            let sampled = of_runners
                .filter(|metric| metric.value("count") > Some(0.0))
                .count();
            let merger = Merger::new(if grids.len() == sampled {
                grids
            } else {
                Vec::new()
            });
            let estimate = |percent: f64| merger.percentile(percent);
            stats
                .iter()
                .filter_map(|it| Some((it.clone(), estimate(percent(it)?)?)))
                .collect()
        })?,
    })
}

impl Merged {
    /// How a k6 with this summary would have ended: whether thresholds are crossed. It takes the place of the runners' own
    /// ends, if all of these are one of the two.
    #[must_use]
    pub fn exit(&self) -> K6Exit {
        match crossed(&rows(&self.summary)) {
            0 => K6Exit::Code(0),
            _ => K6Exit::Code(THRESHOLDS_CROSSED),
        }
    }
}

/// The percentages of a trend's samples that statistics stand for, each with the value at it.
type Percentiles = Vec<(String, Estimate)>;

/// The summary of all `runners`, with the percentiles that `percentiles` gives for a trend's name and its statistics.
fn merged(
    runners: &[(&str, RunnerSummary)],
    percentiles: impl Fn(&str, &[String]) -> Percentiles,
) -> Result<Summary, MergeError> {
    let ((first_name, first), others) = runners.split_first().ok_or(MergeError::Nothing)?;
    let stats: BTreeSet<&String> = runners.iter().flat_map(|(_, it)| &it.stats).collect();
    let stats: Vec<String> = stats.into_iter().cloned().collect();
    let mut summary = first.summary.clone();
    for (name, runner) in others {
        if let Some((what, is, was)) = difference("load_test", &first.load_test, &runner.load_test)
        {
            return Err(different(
                (first_name, name),
                &what,
                (&is.to_string(), &was.to_string()),
            ));
        }
        summary.root_group.absorb(&runner.summary.root_group);
        let longest = &mut summary.state.test_run_duration_ms;
        *longest = longest.max(runner.summary.duration_ms());
    }
    let seconds = summary.duration_ms() / 1e3;
    let names: BTreeSet<&String> = runners
        .iter()
        .flat_map(|(_, it)| it.summary.metrics.keys())
        .collect();
    summary.metrics = names
        .into_iter()
        .map(|name| {
            let parts = runners
                .iter()
                .map(|(runner, it)| (*runner, it.summary.metric(name)));
            let parts = parts.filter_map(|(runner, metric)| Some((runner, metric?)));
            let parts: Vec<Part<'_>> = parts.collect();
            let mut metric = merge_metric(name, &parts, seconds)?;
            if metric.kind == MetricKind::Trend {
                for (stat, it) in percentiles(name, &stats) {
                    metric.values.insert(stat.clone(), it.value);
                    if it.low < it.high {
                        metric.intervals.insert(stat, (it.low, it.high));
                    }
                }
            }
            judge_again(&mut metric, &parts);
            Ok((name.clone(), metric))
        })
        .collect::<Result<_, _>>()?;
    Ok(summary)
}

/// A runner's name and its metric.
type Part<'a> = (&'a str, &'a Metric);

/// Everything of a metric but percentiles and thresholds.
fn merge_metric(name: &str, parts: &[Part<'_>], seconds: f64) -> Result<Metric, MergeError> {
    let (first_name, first) = parts[0];
    let mut metric = Metric {
        values: BTreeMap::new(),
        intervals: BTreeMap::new(),
        thresholds: BTreeMap::new(),
        ..first.clone()
    };
    for (runner, other) in parts {
        if (other.kind, other.contains) != (first.kind, first.contains) {
            let what = format!("the type of {name}");
            let of = |it: &Metric| match it.contains {
                Contains::Default => format!("{:?}", it.kind).to_lowercase(),
                contains => format!("{:?} of {contains:?}", it.kind).to_lowercase(),
            };
            return Err(different(
                (first_name, runner),
                &what,
                (&of(first), &of(other)),
            ));
        }
    }
    // In ascending order, on which sums of doubles depend.
    let all = |of: &dyn Fn(&Metric) -> Option<f64>| -> Vec<f64> {
        let mut all: Vec<f64> = parts.iter().filter_map(|(_, it)| of(it)).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let sum = |value: &str| all(&|it| it.value(value)).iter().sum::<f64>();
    let least = |value: &str| all(&|it| it.value(value)).first().copied();
    let most = |value: &str| all(&|it| it.value(value)).last().copied();
    let mut values: Vec<(&str, Option<f64>)> = Vec::new();
    match metric.kind {
        MetricKind::Counter => {
            let count = sum("count");
            values = vec![
                ("count", Some(count)),
                ("rate", (seconds > 0.0).then(|| count / seconds)),
            ];
        }
        MetricKind::Rate => {
            let (passes, fails) = (sum("passes"), sum("fails"));
            metric.set_rate(passes, fails);
        }
        MetricKind::Gauge if ["vus", "vus_max"].contains(&without_tags(name)) => {
            values = ["value", "min", "max"].map(|it| (it, Some(sum(it)))).into();
        }
        MetricKind::Gauge => {
            values = vec![
                ("value", most("value")),
                ("min", least("min")),
                ("max", most("max")),
            ];
            let range = least("value")
                .zip(most("value"))
                .filter(|(low, high)| low < high);
            metric
                .intervals
                .extend(range.map(|range| ("value".to_owned(), range)));
        }
        MetricKind::Trend => {
            let count = sum("count");
            let sums = all(&|it| Some(it.value("avg")? * it.value("count")?));
            let mean = (count > 0.0).then(|| sums.iter().sum::<f64>() / count);
            let sampled: Vec<&Metric> = parts
                .iter()
                .map(|part| part.1)
                .filter(|it| it.value("count") > Some(0.0))
                .collect();
            let end = |name: &str, of: fn(f64, f64) -> f64| {
                sampled.iter().filter_map(|it| it.value(name)).reduce(of)
            };
            values = vec![
                ("count", Some(count)),
                ("avg", mean.or_else(|| most("avg"))),
                ("min", end("min", f64::min).or_else(|| most("min"))),
                ("max", end("max", f64::max).or_else(|| most("max"))),
            ];
        }
        MetricKind::Unknown => {}
    }
    let known = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    metric.values.extend(known);
    Ok(metric)
}

/// Judges the thresholds that the runners judged by the merged values.
fn judge_again(metric: &mut Metric, parts: &[Part<'_>]) {
    let expressions: BTreeSet<&String> = parts
        .iter()
        .flat_map(|(_, it)| it.thresholds.keys())
        .collect();
    // k6 keeps what has no samples, but for a counter, which is zero then.
    let is_measured = metric.has_samples() || metric.kind == MetricKind::Counter;
    for text in expressions {
        let anew = Expression::parse(text)
            .ok()
            .filter(|_| is_measured)
            .and_then(|it| {
                let value = metric.aggregate(it.aggregation)?;
                let value = metric.interval(it.aggregation).unwrap_or((value, value));
                Some(it.operator.holds_between(value, (it.bound, it.bound)))
            });
        let by_runners = || {
            parts
                .iter()
                .filter_map(|(_, it)| it.thresholds.get(text))
                .all(|it| it.ok)
        };
        let result = match anew {
            Some(holds) => ThresholdResult {
                ok: holds == Some(true),
                undecided: holds.is_none() && metric.kind == MetricKind::Trend,
            },
            None => ThresholdResult {
                ok: by_runners(),
                undecided: false,
            },
        };
        metric.thresholds.insert(text.clone(), result);
    }
}

/// The percentage of a trend's samples that do not exceed this statistic; `None` if it is of another kind.
fn percent(stat: &str) -> Option<f64> {
    match Aggregation::parse(stat).ok()? {
        Aggregation::Percentile(percent) => Some(percent),
        Aggregation::Med => Some(50.0),
        _ => None,
    }
}

fn different((one, other): (&str, &str), what: &str, (is, was): (&str, &str)) -> MergeError {
    MergeError::Different {
        one: one.to_owned(),
        other: other.to_owned(),
        what: what.to_owned(),
        is: is.to_owned(),
        was: was.to_owned(),
    }
}

/// The first place where two values differ, and what is there.
fn difference<'a>(
    at: &str,
    one: &'a Value,
    other: &'a Value,
) -> Option<(String, &'a Value, &'a Value)> {
    match (one, other) {
        _ if one == other => None,
        (Value::Object(fields), Value::Object(others)) => {
            let keys: BTreeSet<&String> = fields.keys().chain(others.keys()).collect();
            let of = |fields: &'a serde_json::Map<String, Value>, key: &str| {
                fields.get(key).unwrap_or(&Value::Null)
            };
            keys.into_iter().find_map(|key| {
                difference(&format!("{at}.{key}"), of(fields, key), of(others, key))
            })
        }
        _ => Some((at.to_owned(), one, other)),
    }
}
