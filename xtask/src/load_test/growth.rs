//! Leaks: whether the server's memory or open files grow without end over the steady part of a test.

use load_stats::growth::{FlatReason, Growth, GrowthEvidence, GrowthRule, judge_growth};

use super::one_test::OneTest;
use crate::k6::Ran;
use crate::results::GrowthRow;
use crate::server::Sample;

/// The shortest steady part that means anything, in seconds.
const MIN_SPAN_S: f64 = 90.0;
/// The fewest samples that mean anything.
const MIN_SAMPLES: usize = 60;
/// The level of significance of a trend.
const ALPHA: f64 = 0.01;
/// Open files beyond which a steady load counts as leaking them, per hour: a keep-alive connection more or less is
/// no leak.
const MAX_FILES_PER_HOUR: f64 = 60.0;
const MIB: f64 = 1_048_576.0;

/// The rows "memory growth" and "open files growth" of a test; none if the server was not sampled.
pub fn rows(test: &OneTest<'_>, ran: &Ran, samples: &[Sample]) -> Vec<GrowthRow> {
    let Some(first) = samples.first() else {
        return Vec::new();
    };
    let hold = match (
        &ran.stopped,
        test.args.k6_args.is_empty(),
        test.shape.hold(),
    ) {
        (Some(_), _, _) => Err("the test was ended early"),
        (None, false, _) => Err("arguments for k6 may have changed the load"),
        (None, true, None) => Err("the profile has no steady part"),
        (None, true, Some(hold)) => Ok(hold),
    };
    let series = |value: fn(&Sample) -> f64| -> Vec<(f64, f64)> {
        let (from, to) = hold.unwrap_or_default();
        let steady = samples
            .iter()
            .map(|s| (s.elapsed_s - first.elapsed_s, value(s)));
        steady.filter(|(at, _)| (from..=to).contains(at)).collect()
    };
    let memory = test.args.max_memory_growth.0;
    vec![
        row(
            "memory",
            "MiB",
            memory,
            hold,
            &series(|s| s.rss_bytes as f64 / MIB),
        ),
        row(
            "open files",
            "files",
            Some(MAX_FILES_PER_HOUR),
            hold,
            &series(|s| s.open_files as f64),
        ),
    ]
}

fn row(
    resource: &'static str,
    unit: &'static str,
    bound: Option<f64>,
    hold: Result<(f64, f64), &'static str>,
    series: &[(f64, f64)],
) -> GrowthRow {
    let rule = GrowthRule {
        bound_per_hour: bound.unwrap_or(f64::MAX),
        min_span: MIN_SPAN_S,
        min_samples: MIN_SAMPLES,
        alpha: ALPHA,
    };
    let (per_hour, ok, note) = match hold {
        Err(why) => (None, None, why.to_owned()),
        Ok(_) => match judge_growth(series, rule) {
            Growth::NotEvaluated { why } => (None, None, why.to_string()),
            Growth::Flat { evidence, reason } => {
                (Some(evidence.per_hour), Some(true), flat(reason).to_owned())
            }
            Growth::Growing { evidence } => (
                Some(evidence.per_hour),
                Some(bound.is_none()),
                basis(&evidence),
            ),
        },
    };
    GrowthRow {
        resource,
        unit,
        per_hour,
        bound_per_hour: bound,
        ok,
        note,
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
    let GrowthRow {
        resource,
        unit,
        note,
        ..
    } = row;
    format!("{resource} growth: {value:.0} {unit} per hour, bound {bound:.0} ({note})")
}
