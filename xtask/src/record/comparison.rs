//! `compare.json`: what came of a comparison.

use std::collections::BTreeMap;

use k6_summary::{Quantity, Unit};
use load_stats::decide::Evidence;
use serde::{Deserialize, Serialize};

use super::{
    Host, Kind, Measure, Outcome, Sampled, SearchRecord, SearchedSide, SideRecord, above, share,
};
use crate::error::COULD_NOT_RUN;

/// The version of the format: raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 2;

/// A comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Comparison {
    /// The version of this format.
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
    /// How long measuring took, in seconds.
    pub duration_s: f64,
    /// What was compared with.
    pub base: SideRecord,
    /// What was judged.
    pub head: SideRecord,
    /// The machine.
    pub host: Host,
    /// k6's version.
    pub k6: String,
    /// Drew the order of what was asked.
    pub seed: u64,
    /// Pairs that are measured of each test at most.
    pub planned: usize,
    /// How long a pair was measured, in seconds; 0 where capacities were searched for.
    pub block_s: f64,
    /// The floors that were given on the command line, by kind.
    #[serde(default)]
    pub floors: BTreeMap<Kind, f64>,
    /// How often anything may be called worse if nothing is, over all metrics, looks and failures.
    pub alpha: f64,
    /// Whether both sides are one program, so that nothing was measured.
    #[serde(default)]
    pub is_same: bool,
    /// The tests.
    pub tests: Vec<TestComparison>,
    /// The functions of the tests that are worse or better.
    #[serde(default)]
    pub sampled: Vec<Sampled>,
    /// Head against itself, if that was asked for.
    #[serde(default)]
    pub calibration: Option<Calibration>,
    /// How the capacity was searched for, where that is what was compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<SearchRecord>,
}

/// How often a comparison of a server with itself raises a false alarm, and what it would find.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Calibration {
    /// Pairs of each drawn comparison at most.
    pub pairs: usize,
    /// Comparisons that were drawn without a change.
    pub draws: usize,
    /// Those in which any metric was reported as worse.
    pub false_regressions: usize,
    /// The metric that was reported most often among them, if any.
    pub most_often: Option<String>,
    /// What would be found of known changes.
    pub found: Vec<Found>,
}

/// A known change of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Found {
    /// The metric, with its test.
    pub metric: String,
    /// The relative change: 0.1 is +10 %.
    pub change: f64,
    /// Share of the drawn comparisons that report it.
    pub share: f64,
    /// Share of the drawn comparisons that report only it.
    pub alone: f64,
    /// How many pairs they looked at in the median.
    pub pairs: usize,
}

/// A test of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestComparison {
    /// Its name.
    pub name: String,
    /// Pairs that the verdict rests on: as many as there were when it was reached.
    pub pairs: usize,
    /// Failures that the head has more of than the base, in sentences.
    pub worse_failures: Vec<String>,
    /// Failures that show no difference, in sentences.
    pub in_both: Vec<String>,
    /// The metrics.
    pub metrics: Vec<MetricRecord>,
    /// The searches for the capacity of both sides, of each pair in the order in which they were made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub searches: Vec<Vec<SearchedSide>>,
}

/// A metric of a comparison. Changes are head by base: 0.1 is +10 %; of failed requests they are differences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MetricRecord {
    /// The metric, such as `mission_create_duration med`.
    pub metric: Measure,
    /// The unit of `base` and `head`.
    pub unit: Unit,
    /// What is made of it.
    pub change: Change,
    /// Median over the base's blocks, if any has it.
    pub base: Option<f64>,
    /// Median over the head's blocks, if any has it.
    pub head: Option<f64>,
    /// The numbers behind it, if there are any.
    pub evidence: Option<Evidence>,
    /// Why it was not judged, or what is known besides; may be empty.
    pub note: String,
}

/// What is made of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Worse, significantly and beyond the floor.
    Regression,
    /// Better, significantly and beyond the floor.
    Improvement,
    /// No change that is both significant and beyond the floor.
    Unchanged,
    /// There is no verdict; the note says why.
    NotJudged,
}

impl Comparison {
    /// The regressions, as (test, metric).
    pub fn regressions(&self) -> impl Iterator<Item = (&TestComparison, &MetricRecord)> {
        self.of(Change::Regression)
    }

    /// The metrics of which `change` is made, as (test, metric).
    pub fn of(&self, change: Change) -> impl Iterator<Item = (&TestComparison, &MetricRecord)> {
        self.tests.iter().flat_map(move |test| {
            let those = move |metric: &&MetricRecord| metric.change == change;
            test.metrics
                .iter()
                .filter(those)
                .map(move |metric| (test, metric))
        })
    }

    /// Settles outcome, exit code, reasons and notices by what the tests came to.
    pub fn settle(&mut self) {
        let mut reasons: Vec<String> = Vec::new();
        for test in &self.tests {
            let failures = test.worse_failures.iter();
            reasons.extend(failures.map(|failure| format!("{}: {failure}", test.name)));
        }
        let mut worse: Vec<_> = self.regressions().collect();
        let change = |metric: &MetricRecord| metric.evidence.as_ref().map_or(0.0, |it| it.estimate);
        worse.sort_by(|(_, a), (_, b)| change(b).abs().total_cmp(&change(a).abs()));
        let worse = worse.iter();
        reasons.extend(worse.map(|(test, metric)| format!("{}: {}", test.name, sentence(metric))));
        let not_judged = self.of(Change::NotJudged);
        let not_judged = not_judged.map(|(test, metric)| {
            format!(
                "{}: {} could not be judged: {}",
                test.name, metric.metric, metric.note
            )
        });
        let not_judged: Vec<String> = not_judged.collect();
        (self.outcome, self.exit_code) = if reasons.is_empty() {
            (Outcome::Passed, 0)
        } else {
            (Outcome::Failed, 1)
        };
        // Where there is one number for a test, nothing is green without it.
        if reasons.is_empty() && !not_judged.is_empty() && self.capacity.is_some() {
            (self.outcome, self.exit_code) = (Outcome::CouldNotRun, COULD_NOT_RUN);
            reasons = not_judged;
        } else {
            self.notices.extend(not_judged);
        }
        let sampled = self.sampled.iter();
        self.notices.extend(sampled.map(Sampled::sentence));
        self.reasons = reasons;
    }
}

/// A metric that is worse, with bound and value.
fn sentence(metric: &MetricRecord) -> String {
    let what = metric.metric.spoken();
    let quantity = |value| Quantity::new(value, metric.unit);
    let (Some(evidence), Some(base), Some(head)) = (&metric.evidence, metric.base, metric.head)
    else {
        return format!("{what} is worse");
    };
    let limit = share(evidence.floor);
    if let Measure::Capacity(unit) = metric.metric {
        return format!(
            "capacity is {}, {} below the base's {}; the limit is {limit}",
            unit.counted(head),
            share(-evidence.estimate),
            Quantity::new(base, Unit::Count)
        );
    }
    match metric.metric.kind() {
        Kind::Failed => format!(
            "{} of requests failed, and {} of the base's; the limit is {limit} more",
            quantity(head),
            quantity(base)
        ),
        _ => format!(
            "{what} is {}, {}; the limit is {limit}",
            quantity(head),
            above(evidence.estimate, &format!("the base's {}", quantity(base)))
        ),
    }
}
