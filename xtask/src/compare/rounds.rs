//! Measures the pairs, in an order drawn at random, and suspects once more.

use std::path::Path;

use load_stats::decide::DecisionRule;

use super::failures::only_in_head;
use super::judge::{Floors, judge_blocks, rule};
use super::measure::{Bench, Broken, Which};
use super::plan::Plan;
use crate::record::{Blocks, Change, Measure, Side, TestComparison as TestRecord, percent};
use crate::ui;

/// The measuring of a comparison.
pub struct Rounds<'a> {
    /// Measures one block.
    pub bench: Bench<'a>,
    /// What is measured.
    pub plan: &'a Plan,
    /// The base's program.
    pub base: &'a Path,
    /// The head's program.
    pub head: &'a Path,
    /// Draws the order within each pair.
    pub random: fastrand::Rng,
    /// The head did not stand the load, and how.
    pub broken: Option<String>,
    /// What was measured so far.
    pub blocks: Blocks,
}

impl Rounds<'_> {
    /// Measures all pairs of `tests` for `round`, one after the other.
    ///
    /// Ends early where the head fails and the base does not: no statistics are needed then.
    ///
    /// # Errors
    /// If a block cannot be measured, or an interruption arrives; what was measured is in `blocks`.
    pub fn measure(&mut self, round: u8, tests: &[String]) -> anyhow::Result<()> {
        let progress = ui::Progress::open_ended("measuring");
        // The tests take turns, so that none has the machine's quiet hour to itself.
        for pair in 0..self.plan.pairs {
            for test in tests {
                let text = format!("{test}: pair {} of {}", pair + 1, self.plan.pairs);
                progress.says(&text);
                self.measure_pair(test, pair, round)?;
                if self.broken.is_some() || self.head_fails(test, round) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn measure_pair(&mut self, test: &str, pair: usize, round: u8) -> anyhow::Result<()> {
        let order = match self.random.bool() {
            true => [Side::Base, Side::Head],
            false => [Side::Head, Side::Base],
        };
        for side in order {
            let which = Which {
                test,
                pair,
                round,
                side,
            };
            let binary = match side {
                Side::Base => self.base,
                Side::Head => self.head,
            };
            match (self.bench.measure(which, binary)?, side) {
                (Ok(block), _) => self.blocks.blocks.push(block),
                (Err(Broken(why)), Side::Head) => {
                    self.broken = Some(format!("{test}: {why}"));
                    return Ok(());
                }
                (Err(Broken(why)), Side::Base) => {
                    anyhow::bail!("the base does not stand the load of {test}: {why}")
                }
            }
        }
        Ok(())
    }

    /// Whether something failed in the head and never in the base so far.
    fn head_fails(&self, test: &str, round: u8) -> bool {
        !only_in_head(&self.blocks.pairs_of(test, round)).is_empty()
    }

    /// Measures the tests with regressions once more.
    ///
    /// # Errors
    /// As [`Rounds::measure`].
    pub fn confirm(&mut self, floors: &Floors) -> anyhow::Result<()> {
        let rule = rule(self.blocks.seed);
        let tests = judge_blocks(&self.blocks, 0, floors, &rule, None);
        let failed = tests.iter().any(|test| !test.worse_failures.is_empty());
        let suspects = suspects(&tests);
        if failed || self.broken.is_some() || suspects.is_empty() {
            return Ok(());
        }
        for (test, metric) in &suspects {
            ui::info(&format!(
                "suspect: {metric} of {test}: measuring {test} once more"
            ));
        }
        let mut tests = self.plan.tests.clone();
        tests.retain(|test| suspects.iter().any(|(name, _)| name == test));
        self.measure(1, &tests)
    }
}

fn suspects(tests: &[TestRecord]) -> Vec<(String, Measure)> {
    let all = tests.iter().flat_map(|test| {
        let worse = |metric: &&crate::record::MetricRecord| metric.change == Change::Regression;
        let worse = test.metrics.iter().filter(worse);
        worse.map(|metric| (test.name.clone(), metric.metric.clone()))
    });
    all.collect()
}

/// Takes back the regressions that the second round did not find.
pub fn agree(tests: &mut [TestRecord], blocks: &Blocks, floors: &Floors, rule: &DecisionRule) {
    let suspects = suspects(tests);
    let again = judge_blocks(blocks, 1, floors, rule, Some(&suspects));
    for test in tests {
        let second = again.iter().find(|second| second.name == test.name);
        if let Some(second) = second {
            test.worse_failures
                .extend(second.worse_failures.iter().cloned());
        }
        for metric in &mut test.metrics {
            if metric.change != Change::Regression {
                continue;
            }
            let second = second.and_then(|test| {
                test.metrics
                    .iter()
                    .find(|second| second.metric == metric.metric)
            });
            let ratio =
                second.and_then(|second| Some(percent(second.evidence.as_ref()?.ratio - 1.0)));
            let ratio = ratio.unwrap_or_else(|| "not measured".into());
            if second.is_some_and(|second| second.change == Change::Regression) {
                metric.note = format!("confirmed: {ratio} when measured again");
            } else {
                metric.change = Change::NotConfirmed;
                metric.note = format!("{ratio} when measured again");
            }
        }
    }
}
