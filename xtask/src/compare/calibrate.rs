//! `--calibrate`: head against itself says how noisy this machine is, and what would be found on it.
//!
//! The measured pairs are of one program. Comparisons are drawn from them, pairs with replacement and with their sides as
//! they were, so that a side which is at a disadvantage shows; and, to see what would be found, the head's values of one
//! metric made worse by a known share. They are judged at the same looks as the real ones.

use std::collections::BTreeMap;

use load_stats::decide::{Metric, Verdict, decide};
use load_stats::median;

use super::judge::{Floors, Series, rule, series};
use crate::record::{Blocks, Calibration, Found, Kind};

/// Comparisons drawn without a change.
const DRAWS: usize = 2_000;
/// Comparisons drawn for each change.
const DRAWS_OF_A_CHANGE: usize = 400;
/// The changes that are looked for.
const CHANGES: [f64; 4] = [0.03, 0.05, 0.10, 0.20];

/// A metric of a test, by their places.
type At = (usize, usize);

/// Draws comparisons from the pairs, of as many as were planned.
pub fn calibrate(blocks: &Blocks, floors: &Floors) -> Calibration {
    calibrate_by(blocks, floors, DRAWS, DRAWS_OF_A_CHANGE)
}

fn calibrate_by(
    blocks: &Blocks,
    floors: &Floors,
    draws_without: usize,
    draws_of_each: usize,
) -> Calibration {
    let all = series(blocks, floors);
    let name = |(test, metric): At| format!("{}: {}", all[test].test, all[test].metrics[metric].0);
    let mut random = fastrand::Rng::with_seed(blocks.seed);
    let mut draw = |change| drawn(&all, blocks.planned, change, &mut random);
    let mut by_metric: BTreeMap<At, usize> = BTreeMap::new();
    let mut alarms = 0;
    for _ in 0..draws_without {
        let (worse, _) = draw(None);
        alarms += usize::from(!worse.is_empty());
        for metric in worse {
            *by_metric.entry(metric).or_default() += 1;
        }
    }
    let most_often = by_metric.into_iter().max_by_key(|(_, count)| *count);
    let mut found = Vec::new();
    for target in changed(&all) {
        for change in CHANGES {
            let draws: Vec<(Vec<At>, usize)> = (0..draws_of_each)
                .map(|_| draw(Some((target, f64::ln_1p(change)))))
                .collect();
            let share = |holds: &dyn Fn(&[At]) -> bool| {
                draws.iter().filter(|(worse, _)| holds(worse)).count() as f64 / draws.len() as f64
            };
            let pairs: Vec<f64> = draws.iter().map(|(_, pairs)| *pairs as f64).collect();
            found.push(Found {
                metric: name(target),
                change,
                share: share(&|worse| worse.contains(&target)),
                alone: share(&|worse| worse == [target]),
                pairs: median(&pairs).unwrap_or_default() as usize,
            });
        }
    }
    Calibration {
        pairs: blocks.planned,
        draws: draws_without,
        false_regressions: alarms,
        most_often: most_often.map(|(metric, _)| name(metric)),
        found,
    }
}

/// The metrics that one drawn comparison reports as worse, and at how many pairs its longest test was decided.
fn drawn(
    all: &[Series],
    planned: usize,
    change: Option<(At, f64)>,
    random: &mut fastrand::Rng,
) -> (Vec<At>, usize) {
    let groups: Vec<Vec<Metric>> = all
        .iter()
        .enumerate()
        .map(|(test, series)| {
            let have = series
                .metrics
                .iter()
                .map(|(_, metric)| metric.differences.len())
                .max()
                .unwrap_or(0);
            // The metrics of a pair are drawn together, since they share its noise.
            let which: Vec<usize> = (0..planned).map(|_| random.usize(..have.max(1))).collect();
            let of = |(place, (_, metric)): (usize, &(_, Metric))| {
                let by = change
                    .filter(|(target, _)| *target == (test, place))
                    .map_or(0.0, |(_, by)| by);
                let differences = which
                    .iter()
                    .map(|&pair| Some(metric.differences.get(pair).copied().flatten()? + by));
                Metric {
                    differences: differences.collect(),
                    floor: metric.floor,
                }
            };
            series.metrics.iter().enumerate().map(of).collect()
        })
        .collect();
    let decided = decide(&groups, &rule(planned));
    let worse = decided.iter().enumerate().flat_map(|(test, group)| {
        let metrics = group.metrics.iter().enumerate();
        let worse = metrics.filter(|(_, metric)| metric.verdict == Verdict::Worse);
        worse.map(move |(place, _)| (test, place))
    });
    let pairs = decided.iter().map(|group| group.pairs).max().unwrap_or(0);
    (worse.collect(), pairs)
}

/// Of each test: the medians, the p95 and the CPU time.
fn changed(all: &[Series]) -> Vec<At> {
    let kinds = [Kind::Median, Kind::P95, Kind::Cpu];
    let of_test = |(test, series): (usize, &Series)| -> Vec<At> {
        let metrics = series.metrics.iter().enumerate();
        let those = metrics.filter(|(_, (measure, _))| kinds.contains(&measure.kind()));
        those.map(|(place, _)| (test, place)).collect()
    };
    all.iter().enumerate().flat_map(of_test).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::record::Measure;
    use crate::record::testing::{blocks, pair};

    /// The figures of load-tests/comparing.md, with room for another seed.
    #[test]
    fn recorded_pairs_of_one_server_raise_no_alarm_and_show_a_change() {
        let folder =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/load-stats/tests/recorded");
        for name in ["quiet-pairs.json", "busy-pairs.json"] {
            let blocks = Blocks::read(&folder.join(name)).unwrap();
            assert!(blocks.pairs.len() >= 60, "{name}: {}", blocks.pairs.len());
            let found = calibrate_by(&blocks, &Floors::default(), 400, 40);
            assert!(
                found.false_regressions * 100 <= found.draws,
                "{name}: {found:?}"
            );
            let cpu = Measure::CpuPerRequest.to_string();
            let cpu = found
                .found
                .iter()
                .find(|found| found.metric.ends_with(&cpu) && found.change == 0.2);
            assert!(cpu.unwrap().share > 0.95, "{name}: {found:?}");
        }
    }

    #[test]
    fn the_same_program_hardly_ever_looks_worse_and_a_change_is_found() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut value = || 1.0 + 0.1 * random.f64();
        let list = (0..20).map(|_| pair(value(), value())).collect();
        let found = calibrate_by(&blocks(list), &Floors::default(), 400, 100);
        assert!(found.false_regressions * 100 <= found.draws, "{found:?}");
        assert_eq!(found.pairs, 20);
        let by = |change: f64| {
            found
                .found
                .iter()
                .find(|found| found.change == change)
                .unwrap()
        };
        assert_eq!(by(0.2).metric, "missions: mission_create_duration med");
        assert!(by(0.2).share > 0.95 && by(0.2).alone > 0.95, "{found:?}");
        assert!(by(0.03).share < by(0.2).share, "{found:?}");
    }
}
