//! From blocks to verdicts: errors that only the head has, then the statistics over the pairs.

use std::collections::BTreeMap;

use load_stats::decide::{DecisionRule, MetricDecision, PairedMetric, Verdict, decide};
use load_stats::median;

use super::failures;
use crate::record::{
    Block, Blocks, Change, Kind, Measure, MetricRecord, TestComparison as TestRecord,
};

/// Floors by kind, as changed on the command line.
#[derive(Debug, Clone, Default)]
pub struct Floors(BTreeMap<Kind, f64>);

impl Floors {
    /// The floors of the command line, on top of each kind's own.
    pub fn new(given: &[(Kind, f64)]) -> Self {
        Self(given.iter().copied().collect())
    }

    /// The floor of `measure`.
    pub fn of(&self, measure: &Measure) -> f64 {
        let kind = measure.kind();
        let given = self.0.get(&kind).copied();
        given.unwrap_or_else(|| kind.floor_in_pairs())
    }
}

/// The rule of a comparison whose draws come from `seed`.
pub fn rule(seed: u64) -> DecisionRule {
    DecisionRule {
        seed,
        ..DecisionRule::default()
    }
}

/// How `round` of the blocks is judged with `seed`: all metrics of all tests are one family, so that the whole
/// comparison keeps the level.
///
/// `only` restricts the family to these (test, metric), for the second look at suspects.
pub fn judge_blocks(
    blocks: &Blocks,
    round: u8,
    floors: &Floors,
    rule: &DecisionRule,
    only: Option<&[(String, Measure)]>,
) -> Vec<TestRecord> {
    let mut family: Vec<(String, Measure, PairedMetric)> = Vec::new();
    let mut tests: Vec<TestRecord> = Vec::new();
    for test in blocks.tests() {
        let pairs = blocks.pairs_of(&test, round);
        let wanted = |measure: &Measure| {
            only.is_none_or(|only| only.iter().any(|(t, known)| *t == test && known == measure))
        };
        for measure in common_measures(&pairs).into_iter().filter(wanted) {
            let metric = PairedMetric {
                pairs: values(&pairs, &measure),
                floor: floors.of(&measure),
            };
            family.push((test.clone(), measure, metric));
        }
        tests.push(TestRecord {
            pairs: pairs.len(),
            worse_failures: failures::worse(&pairs),
            in_both: failures::in_both(&pairs),
            name: test,
            metrics: Vec::new(),
        });
    }
    let metrics: Vec<PairedMetric> = family.iter().map(|(_, _, metric)| metric.clone()).collect();
    for ((test, measure, metric), decision) in family.into_iter().zip(decide(&metrics, rule)) {
        if let Some(record) = tests.iter_mut().find(|record| record.name == test) {
            record.metrics.push(to_record(measure, &metric, decision));
        }
    }
    tests
}

/// The values of `measure` in each pair, as (base, head).
pub fn values(pairs: &[(&Block, &Block)], measure: &Measure) -> Vec<(f64, f64)> {
    let both = |(base, head): &(&Block, &Block)| {
        Some((*base.values.get(measure)?, *head.values.get(measure)?))
    };
    pairs.iter().filter_map(both).collect()
}

/// What was measured in every block: a trend without samples in one of them has no pairs to speak of.
pub fn common_measures(pairs: &[(&Block, &Block)]) -> Vec<Measure> {
    let Some((first, _)) = pairs.first() else {
        return Vec::new();
    };
    let everywhere = |measure: &&Measure| values(pairs, measure).len() == pairs.len();
    first.values.keys().filter(everywhere).cloned().collect()
}

fn to_record(measure: Measure, metric: &PairedMetric, decision: MetricDecision) -> MetricRecord {
    let side = |pick: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = metric.pairs.iter().map(pick).collect();
        median(&values).unwrap_or(f64::NAN)
    };
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
        unit: measure.unit(),
        metric: measure,
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
        judge_blocks(blocks, 0, floors, &DecisionRule::default(), None)[0].metrics[0].change
    }

    #[test]
    fn a_slower_head_is_found_and_a_floor_lets_it_pass() {
        let floors = Floors::default();
        assert_eq!(change(&compared(1.2, 12), &floors), Change::Regression);
        assert_eq!(change(&compared(1.0, 12), &floors), Change::Unchanged);
        assert_eq!(change(&compared(0.8, 12), &floors), Change::Improvement);
        assert_eq!(change(&compared(1.2, 5), &floors), Change::NotJudged);
        let wide = Floors::new(&[(Kind::Median, 0.5)]);
        assert_eq!(change(&compared(1.2, 12), &wide), Change::Unchanged);
    }
}
