//! `--calibrate`: head against itself says how noisy this machine is.

use load_stats::decide::DecisionRule;
use serde::{Deserialize, Serialize};

use super::blocks::{Block, Blocks, Side};
use super::judge::{Floors, judge};
use super::record::Change;

/// Comparisons that are drawn from the measured pairs.
const DRAWS: usize = 400;
/// Bootstrap resamples in each: the share of alarms needs no fine intervals.
const RESAMPLES: usize = 200;

/// How often a comparison of a server with itself raises a false alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Comparisons that were drawn from the measured pairs, sides swapped at random.
    pub draws: usize,
    /// Those in which any metric was reported as worse.
    pub false_regressions: usize,
    /// The metric that was seen worse most often, if any.
    pub most_often: Option<String>,
}

/// Draws comparisons from the pairs of round 0: pairs with replacement, each with its sides swapped or not, since the
/// two are the same program.
pub fn calibrate(blocks: &Blocks, floors: &Floors, rule: &DecisionRule) -> Calibration {
    let mut random = fastrand::Rng::with_seed(blocks.seed);
    let mut alarms = 0;
    let mut by_metric: std::collections::BTreeMap<String, usize> = Default::default();
    for _ in 0..DRAWS {
        let drawn = draw(blocks, &mut random);
        let rule = DecisionRule {
            resamples: RESAMPLES,
            ..*rule
        };
        let tests = judge(&drawn, 0, floors, &rule, None);
        let worse: Vec<String> = tests
            .iter()
            .flat_map(|test| &test.metrics)
            .filter(|metric| metric.change == Change::Regression)
            .map(|metric| metric.metric.clone())
            .collect();
        alarms += usize::from(!worse.is_empty());
        for metric in worse {
            *by_metric.entry(metric).or_default() += 1;
        }
    }
    let most_often = by_metric.into_iter().max_by_key(|(_, count)| *count);
    Calibration {
        draws: DRAWS,
        false_regressions: alarms,
        most_often: most_often.map(|(metric, _)| metric),
    }
}

fn draw(blocks: &Blocks, random: &mut fastrand::Rng) -> Blocks {
    let mut drawn = Vec::new();
    for test in blocks.tests() {
        let pairs = blocks.pairs_of(&test, 0);
        for pair in 0..pairs.len() {
            let (base, head) = pairs[random.usize(..pairs.len())];
            let (base, head) = if random.bool() {
                (base, head)
            } else {
                (head, base)
            };
            let as_side = |block: &Block, side| Block {
                pair,
                side,
                ..block.clone()
            };
            drawn.extend([as_side(base, Side::Base), as_side(head, Side::Head)]);
        }
    }
    Blocks {
        blocks: drawn,
        ..blocks.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{block, blocks};
    use super::*;

    #[test]
    fn the_same_program_hardly_ever_looks_worse() {
        let mut random = fastrand::Rng::with_seed(3);
        let list = (0..20)
            .flat_map(|pair| {
                let mut value = || 1.0 + 0.2 * random.f64();
                [
                    block(pair, Side::Base, value()),
                    block(pair, Side::Head, value()),
                ]
            })
            .collect();
        let found = calibrate(&blocks(list), &Floors::default(), &DecisionRule::default());
        assert!(found.false_regressions * 50 <= found.draws, "{found:?}");
    }
}
