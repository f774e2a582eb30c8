//! From pairs to verdicts.

use std::collections::{BTreeMap, BTreeSet};

use load_stats::decide::{Decision, Evidence, Metric, Rule, Verdict, decide};
use load_stats::median;

use super::capacity::gave_way;
use super::{checks, instructions};
use crate::record::{
    Blocks, Change, Kind, Measure, MetricRecord, Pair, TestComparison, in_functions,
};

/// Floors by kind, as changed on the command line.
#[derive(Debug, Clone, Default)]
pub struct Floors {
    /// Those of the command line.
    pub given: BTreeMap<Kind, f64>,
    /// What a capacity is known to, where capacities are compared: smaller changes may be of the search's making.
    pub resolution: Option<f64>,
}

impl Floors {
    /// The floors of the command line, on top of each kind's own.
    pub fn new(given: &[(Kind, f64)]) -> Self {
        Self {
            given: given.iter().copied().collect(),
            resolution: None,
        }
    }

    fn of(&self, measure: &Measure) -> f64 {
        let kind = measure.kind();
        let given = self.given.get(&kind).copied();
        let searched = self.resolution.filter(|_| kind == Kind::Capacity);
        given.or(searched).unwrap_or_else(|| kind.floor_in_pairs())
    }
}

/// How often anything may be called worse if nothing is.
pub const ALPHA: f64 = 0.01;

/// The rule for what was measured: the checks and instructions have taken their parts of the level.
pub fn rule(planned: usize) -> Rule {
    Rule {
        alpha: ALPHA - checks::LEVEL - instructions::LEVEL,
        ..Rule::of(planned)
    }
}

/// How often the capacity of any test may be called worse if none is: that takes six pairs of one test. A pair takes
/// minutes, and with more of them nobody would compare.
pub const CAPACITY_ALPHA: f64 = 0.025;

/// The rule for capacities, which are judged once, when all pairs are there.
pub fn capacity_rule(planned: usize) -> Rule {
    Rule {
        alpha: CAPACITY_ALPHA,
        looks: 1,
        ..Rule::of(planned)
    }
}

/// What the metrics of one test come to.
#[derive(Debug, Clone)]
pub struct PairedSeries {
    /// The test.
    pub test: String,
    /// Its metrics.
    pub metrics: Vec<(Measure, Metric)>,
}

/// The differences of all metrics of all tests that are measured in `pairs`, in their order.
pub fn series(blocks: &Blocks, floors: &Floors) -> Vec<PairedSeries> {
    let of_test = |test| of_pairs(test, &blocks.pairs_of(test), floors);
    blocks.tests().into_iter().map(of_test).collect()
}

/// The same of the instructions, which are counted in pairs of their own.
pub fn counted_series(blocks: &Blocks, floors: &Floors) -> Vec<PairedSeries> {
    let of_test = |test| of_pairs(test, &blocks.counted_of(test), floors);
    blocks.tests().into_iter().map(of_test).collect()
}

fn of_pairs(test: &str, pairs: &[&Pair], floors: &Floors) -> PairedSeries {
    let of_pair = |pair: &&Pair| -> Vec<Measure> {
        let measured = pair.base.values.keys().chain(pair.head.values.keys());
        measured.chain(pair.lacking.keys()).cloned().collect()
    };
    let measures: BTreeSet<Measure> = pairs.iter().flat_map(of_pair).collect();
    let metric = |measure: &Measure| Metric {
        differences: pairs.iter().map(|pair| difference(measure, pair)).collect(),
        floor: to_difference(measure, floors.of(measure)),
    };
    PairedSeries {
        test: test.to_owned(),
        metrics: measures
            .into_iter()
            .map(|measure| (measure.clone(), metric(&measure)))
            .collect(),
    }
}

fn metrics(series: &PairedSeries) -> Vec<Metric> {
    let metrics = series.metrics.iter();
    metrics.map(|(_, metric)| metric.clone()).collect()
}

/// Head less base: of shares as it is, of all else of the logarithms.
fn difference(measure: &Measure, pair: &Pair) -> Option<f64> {
    let (base, head) = pair.values(measure)?;
    match measure.kind() {
        Kind::Failed => Some(head - base),
        // Less of it is worse.
        Kind::Capacity => Some((base / head).ln()).filter(|ratio| ratio.is_finite()),
        _ => Some((head / base).ln()).filter(|ratio| ratio.is_finite()),
    }
}

fn to_difference(measure: &Measure, change: f64) -> f64 {
    match measure.kind() {
        Kind::Failed => change,
        Kind::Capacity => -(-change).ln_1p(),
        _ => change.ln_1p(),
    }
}

/// A difference as a relative change; of failed requests it is one already.
pub fn to_change(measure: &Measure, difference: f64) -> f64 {
    match measure.kind() {
        Kind::Failed => difference,
        Kind::Capacity => (-difference).exp_m1(),
        _ => difference.exp_m1(),
    }
}

/// A verdict on what was measured so far.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The tests.
    pub tests: Vec<TestComparison>,
    /// Those of which more pairs could change what is said: none once all were measured that were to be.
    pub open: Vec<String>,
}

/// Judges the pairs: all metrics of all tests are one family, so that the whole comparison keeps the level.
pub fn judge_pairs(blocks: &Blocks, floors: &Floors) -> Judged {
    let series = series(blocks, floors);
    let groups: Vec<Vec<Metric>> = series.iter().map(metrics).collect();
    let mut judged = Judged {
        tests: Vec::new(),
        open: Vec::new(),
    };
    let rule = match blocks.capacity {
        Some(_) => capacity_rule(blocks.planned),
        None => rule(blocks.planned),
    };
    for (series, group) in series.into_iter().zip(decide(&groups, &rule)) {
        let pairs = blocks.pairs_of(&series.test);
        let looked_at = &pairs[..group.pairs.min(pairs.len())];
        let failures = checks::failures(&blocks.checks, &series.test);
        if group.is_open && failures.worse.is_empty() {
            judged.open.push(series.test.clone());
        }
        let metrics = series.metrics.into_iter().zip(group.metrics);
        judged.tests.push(TestComparison {
            pairs: group.pairs,
            worse_failures: failures.worse,
            in_both: failures.by_chance,
            metrics: metrics
                .map(|((measure, _), decision)| to_record(measure, looked_at, decision))
                .collect(),
            searches: (pairs.iter().map(|pair| pair.searches.clone()))
                .filter(|searches| !searches.is_empty())
                .collect(),
            name: series.test,
        });
    }
    judge_instructions(blocks, floors, &mut judged);
    judged
}

/// Adds the instructions of the tests in which they were counted, which are a family of their own.
fn judge_instructions(blocks: &Blocks, floors: &Floors, judged: &mut Judged) {
    let Some(counted) = &blocks.instructions else {
        return;
    };
    let series = counted_series(blocks, floors);
    let groups: Vec<Vec<Metric>> = series.iter().map(metrics).collect();
    let decided = decide(&groups, &instructions::rule(counted.planned));
    for ((test, series), group) in judged.tests.iter_mut().zip(series).zip(decided) {
        let pairs = blocks.counted_of(&test.name);
        let looked_at = &pairs[..group.pairs.min(pairs.len())];
        for ((measure, _), decision) in series.metrics.into_iter().zip(group.metrics) {
            let mut record = to_record(measure, looked_at, decision);
            if record.change == Change::Regression {
                let those = counted.functions.iter().filter(|function| {
                    function.test == test.name && function.metric == record.metric
                });
                if let Some(base) = record.base {
                    record.note = in_functions(those, base);
                }
            }
            test.metrics.push(record);
        }
    }
}

fn to_record(measure: Measure, pairs: &[&Pair], decision: Decision) -> MetricRecord {
    let side = |of: fn(&Pair) -> &BTreeMap<Measure, f64>| {
        let values: Vec<f64> = pairs
            .iter()
            .filter_map(|pair| of(pair).get(&measure).copied())
            .collect();
        median(&values)
    };
    let lacks = lacks(&measure, pairs);
    let (change, note) = match (decision.verdict, lacks) {
        (Verdict::Worse, lacks) => (Change::Regression, lacks.unwrap_or_default()),
        (Verdict::NotJudged(why), None) => (Change::NotJudged, why),
        // Those that have it may be just the ones in which it went well.
        (_, Some(why)) => (Change::NotJudged, why),
        (Verdict::Better, None) => (Change::Improvement, String::new()),
        (Verdict::Unchanged, None) => (Change::Unchanged, String::new()),
    };
    let relative = |evidence: Evidence| {
        let [low, high] = [evidence.low, evidence.high].map(|end| to_change(&measure, end));
        Evidence {
            estimate: to_change(&measure, evidence.estimate),
            low: low.min(high),
            high: low.max(high),
            floor: to_change(&measure, evidence.floor).abs(),
            ..evidence
        }
    };
    let note = match note.is_empty() {
        true => gave_way(pairs),
        false => note,
    };
    MetricRecord {
        unit: measure.unit(),
        change,
        base: side(|pair| &pair.base.values),
        head: side(|pair| &pair.head.values),
        evidence: decision.evidence.map(relative),
        note,
        metric: measure,
    }
}

/// How many of the pairs do not have a value on both sides, and why not.
fn lacks(measure: &Measure, pairs: &[&Pair]) -> Option<String> {
    let without = pairs
        .iter()
        .filter(|pair| difference(measure, pair).is_none());
    let without: Vec<&&Pair> = without.collect();
    let first = without.first()?;
    let why = first
        .lacking
        .get(measure)
        .map_or("one side has none, or a zero", String::as_str);
    Some(format!(
        "{} of {} pairs lack it: {why}",
        without.len(),
        pairs.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{blocks, pair};
    use crate::record::{Block, CheckCounts, Counted, Failing, Function};

    fn compared(ratio: f64, pairs: usize) -> Blocks {
        let noise = |pair: usize| 1.0 + (pair * 7 % 5) as f64 * 0.01;
        blocks(
            (0..pairs)
                .map(|nth| pair(noise(nth), noise(nth + 3) * ratio))
                .collect(),
        )
    }

    fn change(blocks: &Blocks, floors: &Floors) -> Change {
        judge_pairs(blocks, floors).tests[0].metrics[0].change
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

    #[test]
    fn what_one_side_never_had_is_listed_and_holds_up_nothing() {
        let mut blocks = compared(1.0, 12);
        for pair in &mut blocks.pairs {
            pair.base.values.insert(Measure::median("gone"), 1.0);
        }
        // A zero has no ratio, and a hole no value: the other pairs are judged.
        blocks.pairs[0]
            .head
            .values
            .insert(Measure::CpuPerRequest, 0.0);
        let judged = judge_pairs(&blocks, &Floors::default());
        assert!(judged.open.is_empty());
        let gone = &judged.tests[0].metrics[0];
        assert_eq!(
            (gone.change, gone.head, gone.base),
            (Change::NotJudged, None, Some(1.0))
        );
        assert_eq!(
            gone.note,
            "9 of 9 pairs lack it: one side has none, or a zero"
        );
    }

    #[test]
    fn what_some_pairs_lack_is_not_called_unchanged_and_still_called_worse() {
        let lacking = |ratio: f64, which: std::ops::Range<usize>| {
            let mut blocks = compared(ratio, 24);
            for pair in &mut blocks.pairs[which] {
                pair.base.values.clear();
                pair.head.values.clear();
                let why = "3 answers were good on both sides".to_owned();
                pair.lacking
                    .insert(Measure::median("mission_create_duration"), why);
            }
            let judged = judge_pairs(&blocks, &Floors::default());
            assert!(judged.open.is_empty());
            let metric = &judged.tests[0].metrics[0];
            (metric.change, metric.note.clone())
        };
        let why = |count: usize, of: usize| {
            format!("{count} of {of} pairs lack it: 3 answers were good on both sides")
        };
        assert_eq!(lacking(1.0, 3..4), (Change::NotJudged, why(1, 12)));
        assert_eq!(lacking(0.7, 3..4), (Change::NotJudged, why(1, 12)));
        assert_eq!(lacking(1.3, 3..4), (Change::Regression, why(1, 12)));
        // On neither side of any pair, so that no value tells of it.
        assert_eq!(lacking(1.0, 0..24), (Change::NotJudged, why(24, 24)));
        assert_eq!(
            lacking(1.0, 20..24),
            (Change::Unchanged, String::new()),
            "it was judged before"
        );
    }

    #[test]
    fn instructions_are_judged_by_their_own_pairs_and_name_the_functions() {
        let measure = Measure::instructions("mission_create_duration");
        let counted = |ratio: f64, have: usize| {
            let mut blocks = compared(1.0, 12);
            let count = |nth: usize, ratio: f64| {
                let mut block = Block::default();
                let noise = 1.0 + (nth * 7 % 5) as f64 * 0.001;
                block
                    .values
                    .insert(measure.clone(), 70_000.0 * noise * ratio);
                block
            };
            let pair = |nth| Pair {
                test: "missions".into(),
                base: count(nth, 1.0),
                head: count(nth + 3, ratio),
                ..Pair::default()
            };
            let function = |test: &str, name: &str| Function {
                test: test.into(),
                metric: measure.clone(),
                name: name.into(),
                base: 100.0,
                head: 2_100.0,
            };
            blocks.instructions = Some(Counted {
                planned: 12,
                functions: vec![
                    function("specs", "of::another"),
                    function("missions", "a::b"),
                ],
                pairs: (0..have).map(pair).collect(),
            });
            let judged = judge_pairs(&blocks, &Floors::default());
            judged.tests[0].metrics.last().unwrap().clone()
        };
        let grown = counted(1.02, 12);
        assert_eq!(
            (grown.metric.clone(), grown.change),
            (measure.clone(), Change::Regression)
        );
        assert_eq!(grown.note, "+2.9 % in a::b");
        assert_eq!(
            counted(1.005, 12).change,
            Change::Unchanged,
            "within the floor"
        );
        assert_eq!(counted(0.98, 12).change, Change::Improvement);
        assert_eq!(counted(1.02, 11).change, Change::NotJudged);
    }

    #[test]
    fn failed_requests_are_a_metric_and_failed_checks_end_the_measuring() {
        let mut failing = compared(1.0, 24);
        for pair in &mut failing.pairs {
            pair.base.values.insert(Measure::FailedRequests, 0.0);
            pair.head.values.insert(Measure::FailedRequests, 0.5);
        }
        let judged = judge_pairs(&failing, &Floors::default());
        let failed = judged.tests[0]
            .metrics
            .iter()
            .find(|metric| metric.metric == Measure::FailedRequests);
        assert_eq!(failed.unwrap().change, Change::Regression);
        // One in thousands is none.
        failing
            .pairs
            .iter_mut()
            .for_each(|pair| *pair.head.values.get_mut(&Measure::FailedRequests).unwrap() = 0.0);
        *failing.pairs[3]
            .head
            .values
            .get_mut(&Measure::FailedRequests)
            .unwrap() = 1.0 / 8_938.0;
        let judged = judge_pairs(&failing, &Floors::default());
        assert!(
            judged.tests[0]
                .metrics
                .iter()
                .all(|metric| metric.change == Change::Unchanged)
        );

        let mut checked = compared(1.0, 5);
        checked.planned = 60;
        assert_eq!(judge_pairs(&checked, &Floors::default()).open, ["missions"]);
        checked.checks.push(CheckCounts {
            test: "missions".into(),
            what: Failing::Check("status".into()),
            base: [0, 200],
            head: [200, 200],
        });
        let judged = judge_pairs(&checked, &Floors::default());
        assert!(judged.open.is_empty());
        assert_eq!(judged.tests[0].worse_failures.len(), 1);
    }
}
