//! What is measured, and whether that many pairs can say anything at all.

use std::time::Duration;

use load_stats::signed_rank::smallest_p;

use super::judge::{ALPHA, CAPACITY_ALPHA, capacity_rule, rule};
use crate::cli::{Compare, DEFAULT_PAIRS};
use crate::config::Config;
use crate::error::UsageError;
use crate::record::plural;

/// Metrics that a test has as a rule: the median and the p95 of two routes, CPU, memory, bytes and failures.
const METRICS_OF_A_TEST: usize = 8;
/// What a pair takes beside its measuring: two servers' start and end, and warming up.
const AROUND_A_PAIR: Duration = Duration::from_millis(1_500);
/// What it takes to count the instructions of a test.
const COUNTING: Duration = Duration::from_secs(100);

/// A checked command line.
#[derive(Debug)]
pub struct ComparisonPlan {
    /// The tests.
    pub tests: Vec<String>,
    /// Pairs for each test at most.
    pub pairs: usize,
    /// How long a pair is measured.
    pub block: Duration,
    /// Drew everything that is drawn.
    pub seed: u64,
    /// Whether all pairs are measured, whatever the first ones show.
    pub to_the_end: bool,
}

impl ComparisonPlan {
    /// Checks the command line.
    ///
    /// # Errors
    /// A [`UsageError`] with the arithmetic if so few pairs could never be significant.
    pub fn new(args: &Compare, config: &Config) -> Result<Self, UsageError> {
        let tests = config.chosen(&args.tests);
        let (metrics, alpha) = match args.capacity {
            true => (tests.len(), CAPACITY_ALPHA),
            false => (tests.len() * METRICS_OF_A_TEST, ALPHA),
        };
        let (need, pairs) = match args.capacity {
            true => {
                let need = capacity_rule(0).fewest_pairs(metrics);
                // One more than that, so that a single pair which chance spoils does not spoil all.
                (need, args.pairs.unwrap_or(need + 1))
            }
            false => {
                let pairs = args.pairs.unwrap_or(DEFAULT_PAIRS);
                (rule(pairs).fewest_pairs(metrics), pairs)
            }
        };
        if pairs < need {
            return Err(UsageError(format!(
                "--pairs {pairs} cannot find anything: {pairs} pairs reach p = 1/2^{pairs} = {:.2e} at best, and the level {alpha} is shared by about {}: {need} pairs are needed",
                smallest_p(pairs),
                plural(metrics as u64, "metric"),
            )));
        }
        Ok(Self {
            tests,
            pairs,
            block: args.block,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            to_the_end: args.calibrate || args.all_pairs,
        })
    }

    /// About how long all pairs would take, with instructions if they are `counted`.
    pub fn at_most(&self, config: &Config, counted: bool) -> Duration {
        let pairs = u32::try_from(self.pairs).unwrap_or(u32::MAX);
        // Those whose iterations are long open WebSockets, and are measured one side after the other.
        let pair = |test: &String| match config.longest_iteration(test) {
            Duration::ZERO => self.block + AROUND_A_PAIR,
            longest => (self.block.max(longest) + AROUND_A_PAIR) * 2,
        };
        let counting = |test: &String| match config.longest_iteration(test) {
            Duration::ZERO if counted => COUNTING,
            _ => Duration::ZERO,
        };
        let test = |test| pair(test).saturating_mul(pairs) + counting(test);
        self.tests.iter().map(test).sum()
    }
}
