//! From blocks to verdicts: errors that only the head has, then the statistics over the pairs.

use std::collections::BTreeMap;

use load_stats::decide::{DecisionRule, MetricDecision, PairedMetric, Verdict, decide};
use load_stats::fence::Worse;

use super::{failures, metrics};
use crate::record::{Block, Blocks};
use crate::record::{Change, MetricRecord, TestComparison as TestRecord};

/// Floors by kind, as changed on the command line.
#[derive(Debug, Clone, Default)]
pub struct Floors(BTreeMap<String, f64>);

impl Floors {
    /// The floors of the command line, on top of each kind's own.
    pub fn new(given: &[(String, f64)]) -> Self {
        Self(given.iter().cloned().collect())
    }

    /// The floor of the metric called `name`.
    pub fn of(&self, name: &str) -> f64 {
        let kind = metrics::kind(name);
        self.0.get(kind.name).copied().unwrap_or(kind.floor)
    }
}

/// How `round` of the blocks is judged with `seed`: all metrics of all tests are one family, so that the whole
/// comparison keeps the level.
///
/// `only` restricts the family to these (test, metric), for the second look at suspects.
pub fn judge(
    blocks: &Blocks,
    round: u8,
    floors: &Floors,
    rule: &DecisionRule,
    only: Option<&[(String, String)]>,
) -> Vec<TestRecord> {
    let mut family: Vec<(String, PairedMetric)> = Vec::new();
    let mut tests: Vec<TestRecord> = Vec::new();
    for test in blocks.tests() {
        let pairs = blocks.pairs_of(&test, round);
        let disturbances = disturbances(&pairs);
        let wanted = |name: &str| {
            only.is_none_or(|only| only.iter().any(|(t, metric)| *t == test && metric == name))
        };
        for name in common_metrics(&pairs)
            .into_iter()
            .filter(|name| wanted(name))
        {
            let values = |(base, head): &(&Block, &Block)| (base.values[&name], head.values[&name]);
            family.push((
                test.clone(),
                PairedMetric {
                    pairs: pairs.iter().map(values).collect(),
                    disturbances: disturbances.clone(),
                    floor: floors.of(&name),
                    worse: Worse::Higher,
                    name,
                },
            ));
        }
        tests.push(TestRecord {
            pairs: pairs.len(),
            worse_failures: failures::worse(&pairs),
            in_both: failures::in_both(&pairs),
            name: test,
            metrics: Vec::new(),
        });
    }
    let metrics: Vec<PairedMetric> = family.iter().map(|(_, metric)| metric.clone()).collect();
    for ((test, metric), decision) in family.iter().zip(decide(&metrics, rule)) {
        if let Some(record) = tests.iter_mut().find(|record| record.name == *test) {
            record.metrics.push(to_record(metric, decision));
        }
    }
    tests
}

/// The metrics that every block has: a trend without samples in one block has no pairs to speak of.
pub fn common_metrics(pairs: &[(&Block, &Block)]) -> Vec<String> {
    let Some((first, _)) = pairs.first() else {
        return Vec::new();
    };
    let everywhere = |name: &&String| {
        pairs
            .iter()
            .all(|(base, head)| base.values.contains_key(*name) && head.values.contains_key(*name))
    };
    first.values.keys().filter(everywhere).cloned().collect()
}

/// How much more processor time was stolen from the head's block than from the base's, as shares, for each pair; empty
/// where that is not known of all.
pub fn disturbances(pairs: &[(&Block, &Block)]) -> Vec<f64> {
    let more = |(base, head): &(&Block, &Block)| Some(head.stolen? - base.stolen?);
    pairs
        .iter()
        .map(more)
        .collect::<Option<_>>()
        .unwrap_or_default()
}

fn to_record(metric: &PairedMetric, decision: MetricDecision) -> MetricRecord {
    let side = |pick: fn(&(f64, f64)) -> f64| median(metric.pairs.iter().map(pick).collect());
    let (change, note) = match decision.verdict {
        Verdict::Regression => (Change::Regression, String::new()),
        Verdict::Improvement => (Change::Improvement, String::new()),
        Verdict::NoChange => (Change::Unchanged, String::new()),
        Verdict::TooFewPairs {
            have,
            need,
            smallest_p,
            required_p,
        } => (
            Change::NotJudged,
            too_few(have, need, smallest_p, required_p),
        ),
        Verdict::NotComparable { why } => (Change::NotJudged, why),
    };
    MetricRecord {
        unit: metrics::unit(&metric.name),
        metric: metric.name.clone(),
        change,
        base: side(|pair| pair.0),
        head: side(|pair| pair.1),
        evidence: decision.evidence,
        note,
    }
}

/// The arithmetic of too few pairs, in a sentence.
pub fn too_few(have: usize, need: usize, smallest_p: f64, required_p: f64) -> String {
    format!(
        "{have} pairs reach p = 2/2^{have} = {smallest_p:.2e} at best, and {required_p:.2e} is needed: {need} pairs are"
    )
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => (values[n / 2 - 1] + values[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Side;
    use crate::record::testing::{block, blocks};

    fn compared(ratio: f64, pairs: usize) -> Blocks {
        let noise = |pair: usize| 1.0 + (pair * 7 % 5) as f64 * 0.01;
        let pair = |pair: usize| {
            [
                block(pair, Side::Base, noise(pair)),
                block(pair, Side::Head, noise(pair + 3) * ratio),
            ]
        };
        blocks((0..pairs).flat_map(pair).collect())
    }

    fn change(blocks: &Blocks, floors: &Floors) -> Change {
        judge(blocks, 0, floors, &DecisionRule::default(), None)[0].metrics[0].change
    }

    #[test]
    fn a_slower_head_is_found_and_a_floor_lets_it_pass() {
        let floors = Floors::default();
        assert_eq!(change(&compared(1.2, 12), &floors), Change::Regression);
        assert_eq!(change(&compared(1.0, 12), &floors), Change::Unchanged);
        assert_eq!(change(&compared(0.8, 12), &floors), Change::Improvement);
        assert_eq!(change(&compared(1.2, 5), &floors), Change::NotJudged);
        let wide = Floors::new(&[("median".into(), 0.5)]);
        assert_eq!(change(&compared(1.2, 12), &wide), Change::Unchanged);
    }
}
