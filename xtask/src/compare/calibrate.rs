//! `--calibrate`: head against itself says how noisy this machine is, and what would be found on it.
//!
//! The measured pairs are of one program, so that a pair with its sides swapped is as good as the pair itself.
//! Comparisons are drawn from them: pairs with replacement, sides swapped at random, and, to see what would be found, the
//! head's values of one metric made worse by a known share.

use std::collections::BTreeMap;

use load_stats::decide::{DecisionRule, PairedMetric, Verdict, verdicts};

use super::judge::{Floors, common_measures, values};
use crate::record::{Blocks, Calibration, Found, Kind, Measure};

/// Comparisons drawn without a change.
const DRAWS: usize = 2_000;
/// Comparisons drawn for each change.
const DRAWS_OF_A_CHANGE: usize = 400;
/// Bootstrap resamples in each: the share of alarms needs no fine intervals.
const RESAMPLES: usize = 200;
/// The changes that are looked for.
const CHANGES: [f64; 4] = [0.05, 0.10, 0.20, 0.40];
/// The bound of a gate as others have it, for comparison.
const FIXED_GATE: f64 = 0.10;
/// One metric's pairs, and what is needed to judge it.
struct MeasuredPairs {
    name: String,
    measure: Measure,
    test: String,
    floor: f64,
    pairs: Vec<(f64, f64)>,
}

/// Draws comparisons from the pairs of round 0.
pub fn calibrate(blocks: &Blocks, floors: &Floors, rule: &DecisionRule) -> Calibration {
    let rule = DecisionRule {
        resamples: RESAMPLES,
        ..*rule
    };
    let all = measured_pairs(blocks, floors);
    let measured = all.iter().map(|series| series.pairs.len()).min();
    let pairs = measured.unwrap_or(0).min(blocks.pairs);
    let mut random = fastrand::Rng::with_seed(blocks.seed);
    let mut alarms = 0;
    let mut by_metric: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..DRAWS {
        let worse = drawn(&all, pairs, None, &rule, &mut random);
        alarms += usize::from(!worse.is_empty());
        for name in worse {
            *by_metric.entry(name).or_default() += 1;
        }
    }
    let most_often = by_metric.into_iter().max_by_key(|(_, count)| *count);
    Calibration {
        pairs,
        draws: DRAWS,
        false_regressions: alarms,
        most_often: most_often.map(|(name, _)| name),
        fixed_gate: fixed_gate(&all),
        found: changed(&all)
            .into_iter()
            .flat_map(|target| CHANGES.map(|change| (target, change)))
            .map(|(target, change)| find(&all, pairs, target, change, &rule, &mut random))
            .collect(),
    }
}

fn find(
    all: &[MeasuredPairs],
    pairs: usize,
    target: usize,
    change: f64,
    rule: &DecisionRule,
    random: &mut fastrand::Rng,
) -> Found {
    let name = &all[target].name;
    let (mut found, mut alone) = (0, 0);
    for _ in 0..DRAWS_OF_A_CHANGE {
        let worse = drawn(all, pairs, Some((target, 1.0 + change)), rule, random);
        let it = worse.contains(name);
        found += usize::from(it);
        alone += usize::from(it && worse.len() == 1);
    }
    let share = |count: usize| count as f64 / DRAWS_OF_A_CHANGE as f64;
    Found {
        metric: name.clone(),
        change,
        share: share(found),
        alone: share(alone),
    }
}

/// The names of the metrics that one drawn comparison reports as worse.
fn drawn(
    all: &[MeasuredPairs],
    pairs: usize,
    changed: Option<(usize, f64)>,
    rule: &DecisionRule,
    random: &mut fastrand::Rng,
) -> Vec<String> {
    // The metrics of a pair are drawn together, since they share its noise.
    let mut which: BTreeMap<&str, Vec<(usize, bool)>> = BTreeMap::new();
    for series in all {
        which.entry(&series.test).or_insert_with(|| {
            (0..pairs)
                .map(|_| (random.usize(..series.pairs.len()), random.bool()))
                .collect()
        });
    }
    let family: Vec<PairedMetric> = all
        .iter()
        .enumerate()
        .map(|(index, series)| {
            let ratio = match changed {
                Some((target, ratio)) if target == index => ratio,
                _ => 1.0,
            };
            let pick = |&(pair, swapped): &(usize, bool)| {
                let (base, head) = series.pairs[pair];
                let (base, head) = if swapped { (head, base) } else { (base, head) };
                (base, head * ratio)
            };
            let drawn = &which[series.test.as_str()];
            PairedMetric {
                pairs: drawn.iter().map(pick).collect(),
                floor: series.floor,
            }
        })
        .collect();
    verdicts(&family, rule)
        .into_iter()
        .zip(all)
        .filter(|(verdict, _)| *verdict == Verdict::Regression)
        .map(|(_, series)| series.name.clone())
        .collect()
}

fn measured_pairs(blocks: &Blocks, floors: &Floors) -> Vec<MeasuredPairs> {
    let mut all = Vec::new();
    for test in blocks.tests() {
        let pairs = blocks.pairs_of(&test, 0);
        for measure in common_measures(&pairs) {
            all.push(MeasuredPairs {
                name: format!("{test}: {measure}"),
                floor: floors.of(&measure),
                pairs: values(&pairs, &measure),
                test: test.clone(),
                measure,
            });
        }
    }
    all
}

/// Of each test: a median and a p95 of its own, if it has any, and the CPU time.
fn changed(all: &[MeasuredPairs]) -> Vec<usize> {
    let mut chosen = Vec::new();
    let mut tests: Vec<&str> = all.iter().map(|series| series.test.as_str()).collect();
    tests.dedup();
    for test in tests {
        for kind in [Kind::Median, Kind::P95, Kind::Cpu] {
            let of_kind = all
                .iter()
                .enumerate()
                .filter(|(_, series)| series.test == test && series.measure.kind() == kind);
            let own_first = of_kind.min_by_key(|(_, series)| series.measure.is_of_all_requests());
            chosen.extend(own_first.map(|(index, _)| index));
        }
    }
    chosen
}

/// How many single pairs of the p95 of requests, taken either way, are further apart than a fixed gate lets pass.
fn fixed_gate(all: &[MeasuredPairs]) -> Option<f64> {
    let gated = Measure::p95_of_requests();
    let pairs: Vec<(f64, f64)> = all
        .iter()
        .filter(|series| series.measure == gated)
        .flat_map(|series| series.pairs.iter().copied())
        .filter(|(base, head)| *base > 0.0 && *head > 0.0)
        .collect();
    let fires = |(base, head): &(f64, f64)| {
        usize::from(head / base > 1.0 + FIXED_GATE) + usize::from(base / head > 1.0 + FIXED_GATE)
    };
    let fired: usize = pairs.iter().map(fires).sum();
    (!pairs.is_empty()).then(|| fired as f64 / (2 * pairs.len()) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Side;
    use crate::record::testing::{block, blocks};

    /// The figures of load-tests/comparing.md, with room for another seed.
    #[test]
    fn the_recorded_blocks_of_one_server_raise_no_alarm_and_show_a_change() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let recorded = root.join("crates/load-stats/tests/recorded/blocks.json");
        let blocks = Blocks::read(&recorded).unwrap();
        assert!(blocks.blocks.len() >= 200, "{}", blocks.blocks.len());
        let found = calibrate(&blocks, &Floors::default(), &DecisionRule::default());
        assert!(found.false_regressions * 100 <= found.draws, "{found:?}");
        let gate = found.fixed_gate.unwrap();
        assert!(gate > 0.2, "a fixed gate cries wolf: {gate}");
        let cpu = found.found.iter().find(|found| {
            found.metric.ends_with(&Measure::CpuPerRequest.to_string()) && found.change > 0.15
        });
        assert!(cpu.unwrap().share > 0.95, "{found:?}");
    }

    #[test]
    fn the_same_program_hardly_ever_looks_worse_and_a_change_is_found() {
        let mut random = fastrand::Rng::with_seed(3);
        let list = (0..20)
            .flat_map(|pair| {
                let mut value = || 1.0 + 0.1 * random.f64();
                [
                    block(pair, Side::Base, value()),
                    block(pair, Side::Head, value()),
                ]
            })
            .collect();
        let found = calibrate(&blocks(list), &Floors::default(), &DecisionRule::default());
        assert!(found.false_regressions * 50 <= found.draws, "{found:?}");
        assert_eq!(found.pairs, 20);
        let by_twenty = found.found.iter().find(|found| found.change > 0.15);
        let by_twenty = by_twenty.unwrap();
        assert_eq!(by_twenty.metric, "missions: mission_create_duration med");
        assert!(
            by_twenty.share > 0.95 && by_twenty.alone > 0.95,
            "{found:?}"
        );
        let by_five = found.found.iter().find(|found| found.change < 0.07);
        assert!(by_five.unwrap().share < by_twenty.share, "{found:?}");
    }
}
