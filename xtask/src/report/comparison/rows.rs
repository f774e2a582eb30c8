//! The rows that every report of a comparison shows.

use k6_summary::Quantity;

use crate::record::Outcome;
use crate::record::{Change, Comparison, MetricRecord, percent, short_commit};

/// The heads of the columns.
pub const HEADS: [&str; 7] = [
    "metric",
    "base",
    "head",
    "change",
    "95 % interval",
    "p",
    "floor · visible from",
];

/// The cells of one metric, under [`HEADS`].
pub fn cells(metric: &MetricRecord) -> [String; 7] {
    let quantity = |value| Quantity::new(value, metric.unit).to_string();
    let (change, interval, p, bounds) = match &metric.evidence {
        Some(evidence) => (
            percent(evidence.ratio - 1.0),
            format!(
                "{} … {}",
                percent(evidence.low - 1.0),
                percent(evidence.high - 1.0)
            ),
            p_value(evidence.p_adjusted),
            format!(
                "{} · {}",
                share(evidence.floor),
                evidence.smallest_visible.map_or_else(|| "–".into(), share)
            ),
        ),
        None => ("–".into(), "–".into(), "–".into(), "–".into()),
    };
    [
        metric.metric.to_string(),
        quantity(metric.base),
        quantity(metric.head),
        change,
        interval,
        p,
        bounds,
    ]
}

/// A verdict in words, with what a second measurement said.
pub fn verdict(metric: &MetricRecord) -> String {
    let word = match metric.change {
        Change::Regression => "worse",
        Change::Improvement => "better",
        Change::Unchanged => "",
        Change::NotConfirmed => "not confirmed",
        Change::NotJudged => "not judged",
    };
    match (word, metric.note.as_str()) {
        (word, "") => word.into(),
        ("", note) => note.into(),
        (word, note) => format!("{word}: {note}"),
    }
}

/// The verdict on the whole comparison, in words.
pub fn outcome(comparison: &Comparison) -> String {
    let count = |change| {
        let all = comparison.tests.iter().flat_map(|test| &test.metrics);
        all.filter(|metric| metric.change == change).count()
    };
    match comparison.outcome {
        Outcome::Failed => "WORSE".into(),
        Outcome::Interrupted => "INTERRUPTED".into(),
        Outcome::CouldNotRun | Outcome::NotRun => "COULD NOT COMPARE".into(),
        Outcome::Passed => match count(Change::Improvement) {
            0 => "NOTHING IS WORSE".into(),
            1 => "NOTHING IS WORSE, one metric is better".into(),
            n => format!("NOTHING IS WORSE, {n} metrics are better"),
        },
    }
}

/// The two sides and how they were measured, in a line.
pub fn sides(comparison: &Comparison) -> String {
    format!(
        "{} against {}",
        side(&comparison.head),
        side(&comparison.base)
    )
}

/// A side in words.
pub fn side(side: &crate::record::SideRecord) -> String {
    let commit = side.commit.as_deref().map(|commit| {
        let short = short_commit(commit);
        let dirty = if side.dirty {
            " with uncommitted changes"
        } else {
            ""
        };
        format!(" ({short}{dirty})")
    });
    format!("{}{}", side.name, commit.unwrap_or_default())
}

/// How it was measured, in a line.
pub fn method(comparison: &Comparison) -> String {
    let mut parts: Vec<String> = comparison
        .tests
        .iter()
        .map(|test| format!("{} {} pairs", test.name, test.pairs))
        .collect();
    parts.push(format!(
        "blocks of {} s with {} virtual users; seed {}; level {} for all metrics together",
        comparison.block_s,
        comparison.vus,
        comparison.seed,
        share(comparison.alpha)
    ));
    parts.join(", ")
}

/// What head against itself came to, if that was measured, in sentences.
pub fn calibration(comparison: &Comparison) -> Vec<String> {
    let Some(found) = &comparison.calibration else {
        return Vec::new();
    };
    let often = found
        .most_often
        .as_ref()
        .map(|metric| format!(", most often {metric}"))
        .unwrap_or_default();
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut lines = vec![format!(
        "head against itself: {} of {} comparisons of {} pairs drawn from these blocks raise a false alarm ({}){often}",
        found.false_regressions,
        found.draws,
        found.pairs,
        percent(found.false_regressions as f64 / found.draws as f64)
    )];
    lines.extend(found.fixed_gate.map(|fires| {
        format!(
            "a fixed gate of +10 % on http_req_duration p(95) between two of these blocks would raise one in {}",
            percent(fires)
        )
    }));
    lines.extend(found.found.iter().map(|found| {
        format!(
            "{} {:+.0} %: found in {}, alone in {}",
            found.metric,
            100.0 * found.change,
            percent(found.share),
            percent(found.alone)
        )
    }));
    lines
}

fn p_value(p: f64) -> String {
    if p >= 0.001 {
        format!("{p:.3}")
    } else {
        format!("{p:.0e}")
    }
}

fn share(value: f64) -> String {
    let percent = value * 100.0;
    if percent.fract().abs() < 0.05 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}
