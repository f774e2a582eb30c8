//! `--calibrate`: head against itself says how noisy this machine is, and what would be found on it.
//!
//! The measured pairs are of one program. Comparisons are drawn from them, pairs with replacement and with their sides as
//! they were, so that a side which is at a disadvantage shows; and, to see what would be found, the head's values of one
//! metric made worse by a known share. They are judged at the same looks as the real ones.

use std::collections::BTreeMap;

use load_stats::decide::{Metric, Rule, Verdict, decide};
use load_stats::median;

use super::instructions;
use super::judge::{Floors, PairedSeries, counted_series, rule, series};
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
    let families = families(blocks, floors);
    let mut random = fastrand::Rng::with_seed(blocks.seed);
    let mut by_metric: BTreeMap<String, usize> = BTreeMap::new();
    let mut alarms = 0;
    for _ in 0..draws_without {
        let mut names = Vec::new();
        for family in &families {
            let (worse, _) = family.draw(None, &mut random);
            names.extend(worse.into_iter().map(|metric| family.name(metric)));
        }
        alarms += usize::from(!names.is_empty());
        for name in names {
            *by_metric.entry(name).or_default() += 1;
        }
    }
    let most_often = by_metric.into_iter().max_by_key(|(_, count)| *count);
    let mut found = Vec::new();
    let targets = families.iter().flat_map(|family| {
        let changed = changed(&family.series).into_iter();
        changed.map(move |target| (family, target))
    });
    for (family, target) in targets {
        for change in CHANGES {
            let draws: Vec<(Vec<At>, usize)> = (0..draws_of_each)
                .map(|_| family.draw(Some((target, f64::ln_1p(change))), &mut random))
                .collect();
            let share = |holds: &dyn Fn(&[At]) -> bool| {
                draws.iter().filter(|(worse, _)| holds(worse)).count() as f64 / draws.len() as f64
            };
            let pairs: Vec<f64> = draws.iter().map(|(_, pairs)| *pairs as f64).collect();
            found.push(Found {
                metric: family.name(target),
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
        most_often: most_often.map(|(metric, _)| metric),
        found,
    }
}

/// Metrics that are judged together.
struct Family {
    series: Vec<PairedSeries>,
    rule: Rule,
}

/// What is measured in pairs, and the instructions if they were counted.
fn families(blocks: &Blocks, floors: &Floors) -> Vec<Family> {
    let counted = blocks.instructions.as_ref().map(|counted| Family {
        series: counted_series(blocks, floors),
        rule: instructions::rule(counted.planned),
    });
    let measured = Family {
        series: series(blocks, floors),
        rule: rule(blocks.planned),
    };
    std::iter::once(measured).chain(counted).collect()
}

impl Family {
    fn name(&self, (test, metric): At) -> String {
        let series = &self.series[test];
        format!("{}: {}", series.test, series.metrics[metric].0)
    }

    /// The metrics that one drawn comparison reports as worse, and at how many pairs its longest test was decided.
    fn draw(&self, change: Option<(At, f64)>, random: &mut fastrand::Rng) -> (Vec<At>, usize) {
        let groups: Vec<Vec<Metric>> = self
            .series
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
                let which: Vec<usize> = (0..self.rule.planned)
                    .map(|_| random.usize(..have.max(1)))
                    .collect();
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
        let decided = decide(&groups, &self.rule);
        let worse = decided.iter().enumerate().flat_map(|(test, group)| {
            let metrics = group.metrics.iter().enumerate();
            let worse = metrics.filter(|(_, metric)| metric.verdict == Verdict::Worse);
            worse.map(move |(place, _)| (test, place))
        });
        let pairs = decided.iter().map(|group| group.pairs).max().unwrap_or(0);
        (worse.collect(), pairs)
    }
}

/// Of each test: the medians, the p95, the CPU time and the instructions.
fn changed(all: &[PairedSeries]) -> Vec<At> {
    let kinds = [Kind::Median, Kind::P95, Kind::Cpu, Kind::Instructions];
    let of_test = |(test, series): (usize, &PairedSeries)| -> Vec<At> {
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
    use crate::record::testing::{blocks, pair};
    use crate::record::{Block, Counted, Measure, Pair};

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
            let instructions = found.found.iter().filter(|found| {
                found.metric.ends_with("instructions") && found.change == CHANGES[0]
            });
            let shares: Vec<f64> = instructions.map(|found| found.share).collect();
            assert_eq!(shares, [1.0; 2], "{name}: {found:?}");
        }
    }

    #[test]
    fn instructions_are_drawn_from_the_pairs_in_which_they_were_counted() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut blocks = blocks((0..20).map(|_| pair(1.0, 1.0)).collect());
        let measure = Measure::instructions("mission_create_duration");
        let mut count = |pair: Pair| {
            let mut block = || {
                let count = 70_000.0 * (1.0 + 0.005 * random.f64());
                let values = BTreeMap::from([(measure.clone(), count)]);
                Block {
                    requests: 100,
                    values,
                }
            };
            Pair {
                base: block(),
                head: block(),
                ..pair
            }
        };
        blocks.instructions = Some(Counted {
            planned: 12,
            pairs: (0..12).map(|_| count(pair(1.0, 1.0))).collect(),
            ..Counted::default()
        });
        let found = calibrate_by(&blocks, &Floors::default(), 400, 100);
        assert_eq!(found.false_regressions, 0, "{found:?}");
        let of = |found: &&Found| found.metric == format!("missions: {measure}");
        let of: Vec<&Found> = found.found.iter().filter(of).collect();
        assert_eq!(of.len(), CHANGES.len(), "{found:?}");
        assert!(of[0].share > 0.95 && of[0].pairs == 12, "{found:?}");
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
