//! Leaks: whether the server's memory or open files grow without end over the steady part of a test.

use std::ops::RangeInclusive;

use load_stats::growth::{FlatReason, Growth, GrowthEvidence, GrowthRule, judge_growth};

use crate::k6::{Ran, Shape};
use crate::record::GrowthRow;
use crate::server::Sample;

/// The shortest steady part that means anything, in seconds.
const MIN_SPAN_S: f64 = 90.0;
/// How much of it the first and the last sample may lie inside.
const SPAN_SLACK_S: f64 = 5.0;
/// The fewest samples that mean anything.
const MIN_SAMPLES: usize = 60;
/// The level of significance of a trend.
const ALPHA: f64 = 0.01;
/// Growth in open files over the whole steady part that is accepted in any case: a few keep-alive connections more or
/// less are no leak.
const LEAST_FILES: f64 = 10.0;
/// Open files beyond which a steady load counts as leaking them, per hour: a keep-alive connection more or less is
/// no leak.
const MAX_FILES_PER_HOUR: f64 = 60.0;
/// Growth over the whole steady part that is accepted in any case, in MiB: the page caches of the database's connections
/// fill up in the first minutes, and a short hold cannot tell that from a leak.
const LEAST_MEMORY_MIB: f64 = 4.0;
const MIB: f64 = 1_048_576.0;

/// The rows "memory growth" and "open files growth" of a test; none if the server was not sampled. `memory` is the bound
/// in MiB per hour, if there is one; `changed` says that k6's arguments may have changed the load.
pub fn rows(
    shape: &Shape,
    memory: Option<f64>,
    changed: bool,
    ran: &Ran,
    samples: &[Sample],
) -> Vec<GrowthRow> {
    let Some(first) = samples.first() else {
        return Vec::new();
    };
    let hold = steady_part(shape, changed, ran);
    let span = hold
        .as_ref()
        .map_or(f64::INFINITY, |hold| hold.end() - hold.start());
    let row =
        |resource: &str, unit: &str, bound: Option<f64>, least: f64, value: fn(&Sample) -> f64| {
            // A bound per hour is little in a short hold; the row shows what it was raised to.
            let rule = rule(bound.unwrap_or(f64::MAX)).with_least_growth(least, span);
            let (per_hour, ok, note) = match &hold {
                Err(why) => (None, None, why.clone()),
                Ok(hold) => {
                    let series: Vec<(f64, f64)> = samples
                        .iter()
                        .map(|sample| (sample.elapsed_s - first.elapsed_s, value(sample)))
                        .filter(|(at, _)| hold.contains(at))
                        .collect();
                    judged(&series, rule)
                }
            };
            GrowthRow {
                resource: resource.to_owned(),
                unit: unit.to_owned(),
                per_hour,
                bound_per_hour: bound.map(|_| rule.bound_per_hour),
                ok,
                note,
            }
        };
    vec![
        row("memory", "MiB", memory, LEAST_MEMORY_MIB, |s| {
            s.rss_bytes as f64 / MIB
        }),
        row(
            "open files",
            "files",
            Some(MAX_FILES_PER_HOUR),
            LEAST_FILES,
            |s| s.open_files as f64,
        ),
    ]
}

/// From when to when the load was steady, in seconds since the test began, or why that says nothing.
fn steady_part(shape: &Shape, changed: bool, ran: &Ran) -> Result<RangeInclusive<f64>, String> {
    if ran.stopped.is_some() {
        return Err("the test was ended early".into());
    }
    if changed {
        return Err("arguments for k6 may have changed the load".into());
    }
    match shape.hold() {
        None => Err("no steady part".into()),
        Some((from, to)) if to - from < MIN_SPAN_S => {
            Err(format!("steady for {:.0} of {MIN_SPAN_S} s", to - from))
        }
        Some((from, to)) => Ok(from..=to),
    }
}

fn rule(bound_per_hour: f64) -> GrowthRule {
    GrowthRule {
        bound_per_hour,
        min_span: MIN_SPAN_S - SPAN_SLACK_S,
        min_samples: MIN_SAMPLES,
        alpha: ALPHA,
    }
}

/// The slope per hour, whether it keeps the bound, and what that rests on.
fn judged(series: &[(f64, f64)], rule: GrowthRule) -> (Option<f64>, Option<bool>, String) {
    match judge_growth(series, rule) {
        Growth::NotEvaluated { why } => (None, None, why),
        Growth::Flat { evidence, reason } => {
            (Some(evidence.per_hour), Some(true), flat(reason).to_owned())
        }
        Growth::Growing { evidence } => (Some(evidence.per_hour), Some(false), basis(&evidence)),
    }
}

fn flat(reason: FlatReason) -> &'static str {
    match reason {
        FlatReason::NoTrend => "no rise",
        FlatReason::WithinBound => "within the bound",
        FlatReason::NotSteady => "steps that end, no steady rise",
    }
}

fn basis(evidence: &GrowthEvidence) -> String {
    format!(
        "over {:.0} s of steady load, p = {:.1e}",
        evidence.span, evidence.p
    )
}

/// The sentence for a row that failed.
pub fn reason(row: &GrowthRow) -> String {
    let bound = row.bound_per_hour.unwrap_or(f64::INFINITY);
    let value = row.per_hour.unwrap_or(f64::NAN);
    let GrowthRow { resource, unit, .. } = row;
    format!("{resource} grew by {value:.0} {unit} per hour; the limit is {bound:.0}")
}
