//! `compare.json`: what came of a comparison.

use k6_summary::Unit;
use load_stats::decide::Evidence;
use serde::{Deserialize, Serialize};

use super::{Host, Measure, Outcome, SideRecord, percent};

/// The version of the format: raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The name of its folder.
    pub run: String,
    /// Failed if something is worse.
    pub outcome: Outcome,
    /// The exit code.
    pub exit_code: u8,
    /// What is worse, in sentences.
    pub reasons: Vec<String>,
    /// What may explain a result.
    pub notices: Vec<String>,
    /// When it began, in UTC.
    pub started_at: String,
    /// How long the blocks took, in seconds.
    pub duration_s: f64,
    /// What was compared with.
    pub base: SideRecord,
    /// What was judged.
    pub head: SideRecord,
    /// The machine.
    pub host: Host,
    /// k6's version.
    pub k6: String,
    /// Drew the order of the blocks.
    pub seed: u64,
    /// Virtual users of each block.
    pub vus: u64,
    /// How long a block was under full load, in seconds.
    pub block_s: f64,
    /// The level of the whole comparison, two-sided.
    pub alpha: f64,
    /// The tests.
    pub tests: Vec<TestRecord>,
    /// Head against itself, if that was asked for.
    #[serde(default)]
    pub calibration: Option<Calibration>,
}

/// How often a comparison of a server with itself raises a false alarm, and what it would find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Pairs in each drawn comparison: as many as were measured, at most as many as were asked for.
    pub pairs: usize,
    /// Comparisons that were drawn without a change.
    pub draws: usize,
    /// Those in which any metric was reported as worse.
    pub false_regressions: usize,
    /// The metric that was reported most often among them, if any.
    pub most_often: Option<String>,
    /// Comparisons of a single pair whose p95 is more than 10 % apart: what a fixed gate would report.
    pub fixed_gate: Option<f64>,
    /// What would be found of known changes.
    pub found: Vec<Found>,
}

/// A known change of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The metric, with its test.
    pub metric: String,
    /// The relative change: 0.1 is +10 %.
    pub change: f64,
    /// Share of the drawn comparisons that report it.
    pub share: f64,
    /// Share of the drawn comparisons that report only it.
    pub alone: f64,
}

/// A test of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Its name.
    pub name: String,
    /// Whole pairs that were measured.
    pub pairs: usize,
    /// Failures that only the head had, or more of than the base, in sentences.
    #[serde(alias = "only_in_head")]
    pub worse_failures: Vec<String>,
    /// Failures that the base had too, in sentences.
    pub in_both: Vec<String>,
    /// The metrics.
    pub metrics: Vec<MetricRecord>,
}

/// A metric of a comparison. Ratios are head by base: 1.1 is +10 %.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// The metric, such as `mission_create_duration med`.
    pub metric: Measure,
    /// The unit of `base` and `head`.
    pub unit: Unit,
    /// What is made of it.
    pub change: Change,
    /// Median over the base's blocks.
    pub base: f64,
    /// Median over the head's blocks.
    pub head: f64,
    /// The numbers behind it, unless it could not be judged.
    pub evidence: Option<Evidence>,
    /// Why it was not judged, or what a second measurement said; may be empty.
    pub note: String,
}

/// What is made of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Worse, significantly and beyond the floor.
    Regression,
    /// Better, significantly and beyond the floor.
    Improvement,
    /// No change that is both significant and beyond the floor.
    Unchanged,
    /// Worse at first, but not when measured again.
    NotConfirmed,
    /// There is no verdict; the note says why.
    NotJudged,
}

impl Comparison {
    /// The regressions, as (test, metric).
    pub fn regressions(&self) -> impl Iterator<Item = (&TestRecord, &MetricRecord)> {
        self.tests.iter().flat_map(|test| {
            let worse = |metric: &&MetricRecord| metric.change == Change::Regression;
            test.metrics
                .iter()
                .filter(worse)
                .map(move |metric| (test, metric))
        })
    }

    /// Settles outcome, exit code and reasons by what the tests came to.
    pub fn settle(&mut self) {
        let mut reasons: Vec<String> = Vec::new();
        for test in &self.tests {
            let failures = test.worse_failures.iter();
            reasons.extend(failures.map(|failure| format!("{}: {failure}", test.name)));
        }
        let worse = self
            .regressions()
            .map(|(test, metric)| format!("{}: {}", test.name, sentence(metric)));
        reasons.extend(worse);
        (self.outcome, self.exit_code) = if reasons.is_empty() {
            (Outcome::Passed, 0)
        } else {
            (Outcome::Failed, 1)
        };
        self.reasons = reasons;
    }
}

/// A metric that is worse, with bound and value.
fn sentence(metric: &MetricRecord) -> String {
    let Some(evidence) = &metric.evidence else {
        return metric.metric.to_string();
    };
    format!(
        "{} is {} [{}, {}], more than the {} % that are let pass (p = {:.1e})",
        metric.metric,
        percent(evidence.ratio - 1.0),
        percent(evidence.low - 1.0),
        percent(evidence.high - 1.0),
        round(evidence.floor * 100.0),
        evidence.p_adjusted
    )
}

fn round(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}
