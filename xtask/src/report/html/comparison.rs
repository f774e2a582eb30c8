//! The page of a comparison: the verdict, the numbers, and every block as a point.

use k6_summary::Unit;
use load_charts::{Pair, StripPlot};
use minijinja::Value;
use serde::Serialize;

use super::super::comparison::rows;
use super::{page, safe};
use crate::record::Outcome;
use crate::record::{Blocks, Change, Comparison, MetricRecord, TestComparison, short_commit};

#[derive(Serialize)]
struct Page {
    outcome: String,
    glyph: &'static str,
    class: &'static str,
    sides: String,
    method: String,
    reasons: Vec<String>,
    notices: Vec<String>,
    calibration: Vec<String>,
    heads: [&'static str; 7],
    tests: Vec<Test>,
    started_at: String,
    k6: String,
    host: String,
    repeat: String,
}

#[derive(Serialize)]
struct Test {
    name: String,
    pairs: usize,
    failures: Vec<String>,
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
struct Metric {
    glyph: &'static str,
    class: &'static str,
    word: &'static str,
    cells: [String; 7],
    verdict: String,
    chart: Value,
}

/// Writes the whole page.
///
/// # Errors
/// If the template cannot be filled, which is a mistake of ours.
pub fn comparison_page(comparison: &Comparison, blocks: &Blocks) -> anyhow::Result<String> {
    let (glyph, class) = match comparison.outcome {
        Outcome::Passed => ("✓", "good"),
        Outcome::Failed | Outcome::CouldNotRun => ("✗", "bad"),
        Outcome::Interrupted | Outcome::NotRun => ("–", "warn"),
    };
    let tests = comparison.tests.iter().map(|test| shown(test, blocks));
    page(
        "comparison.html",
        Page {
            outcome: rows::outcome(comparison),
            glyph,
            class,
            sides: rows::sides(comparison),
            method: rows::method(comparison),
            reasons: comparison.reasons.clone(),
            notices: comparison.notices.clone(),
            calibration: rows::calibration(comparison),
            heads: rows::HEADS,
            tests: tests.collect(),
            started_at: comparison.started_at.clone(),
            k6: comparison.k6.clone(),
            host: comparison.host.fingerprint.clone(),
            repeat: repeat(comparison, blocks),
        },
    )
}

fn shown(test: &TestComparison, blocks: &Blocks) -> Test {
    let failures = test.worse_failures.iter().chain(&test.in_both);
    Test {
        name: test.name.clone(),
        pairs: test.pairs,
        failures: failures.cloned().collect(),
        metrics: test
            .metrics
            .iter()
            .map(|metric| one_metric(metric, &test.name, blocks))
            .collect(),
    }
}

fn one_metric(metric: &MetricRecord, test: &str, blocks: &Blocks) -> Metric {
    let (glyph, class, word) = match metric.change {
        Change::Regression => ("✗", "bad", "worse"),
        Change::Improvement => ("✓", "good", "better"),
        Change::Unchanged => ("·", "none", "no change"),
        Change::NotConfirmed => ("–", "none", "not confirmed"),
        Change::NotJudged => ("–", "none", "not judged"),
    };
    // Bytes get a prefix that fits, as charts have one unit for all points.
    let (unit, scale) = match metric.unit {
        Unit::Bytes if metric.base >= 1e6 => ("MB", 1e-6),
        Unit::Bytes => ("kB", 1e-3),
        _ => ("ms", 1.0),
    };
    let pairs = blocks.pairs_of(test, 0).into_iter();
    let pairs = pairs.filter_map(|(base, head)| {
        Some(Pair {
            base: base.values.get(&metric.metric)? * scale,
            head: head.values.get(&metric.metric)? * scale,
        })
    });
    let chart = StripPlot::new(metric.metric.to_string(), unit, pairs.collect());
    Metric {
        glyph,
        class,
        word,
        cells: rows::cells(metric),
        verdict: rows::verdict(metric),
        chart: safe(chart.svg()),
    }
}

fn repeat(comparison: &Comparison, blocks: &Blocks) -> String {
    let tests: Vec<&str> = comparison.tests.iter().map(|t| t.name.as_str()).collect();
    let side = |option: &str, side: &crate::record::SideRecord| match &side.commit {
        Some(_) if side.dirty => String::new(),
        Some(commit) => format!(" --{option} {}", short_commit(commit)),
        None => format!(" --{option}-bin {}", side.name),
    };
    format!(
        "cargo xtask compare {}{}{} --pairs {} --block {}ms --vus {} --seed {}",
        tests.join(" "),
        side("base", &comparison.base),
        side("head", &comparison.head),
        blocks.pairs,
        (blocks.block_s * 1e3).round(),
        comparison.vus,
        comparison.seed
    )
}
