//! What is measured, and whether that many pairs can say anything at all.

use std::path::Path;
use std::time::Duration;

use load_stats::decide::DecisionRule;
use load_stats::signed_rank::{pairs_for_p, smallest_p};

use super::judge::too_few;
use crate::cli::Compare;
use crate::config::Config;
use crate::error::UsageError;
use crate::k6;
use crate::secret::Secret;

/// Metrics of a test at most: the median and the p95 of three trends, CPU, memory and bytes.
const METRICS_OF_A_TEST: usize = 9;
/// What a block takes beside its full load: the server's start, warming up, k6's start, the ramp, the last iterations.
const AROUND_A_BLOCK: Duration = Duration::from_millis(3_000);

/// A checked command line.
#[derive(Debug)]
pub struct Plan {
    /// The tests.
    pub tests: Vec<String>,
    /// Pairs for each test.
    pub pairs: usize,
    /// How long a block is under full load.
    pub block: Duration,
    /// Drew everything that is drawn.
    pub seed: u64,
    vus: u64,
    profile: Option<String>,
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// A [`UsageError`] with the arithmetic if so few pairs could never be significant.
    pub fn new(args: &Compare, config: &Config) -> Result<Self, UsageError> {
        let tests = config.chosen(&args.tests);
        let rule = DecisionRule::default();
        let family = tests.len() * METRICS_OF_A_TEST;
        let required_p = rule.alpha / family as f64;
        let need = pairs_for_p(required_p)
            .unwrap_or(usize::MAX)
            .max(rule.min_pairs);
        if args.pairs < need {
            return Err(UsageError(format!(
                "--pairs {} cannot find anything: {} ({} metrics share the level {})",
                args.pairs,
                too_few(args.pairs, need, smallest_p(args.pairs), required_p),
                family,
                rule.alpha
            )));
        }
        Ok(Self {
            tests,
            pairs: args.pairs,
            block: args.block,
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..1_000_000)),
            vus: args.vus,
            profile: args.profile.clone(),
        })
    }

    /// The virtual users of a block: as given, or as many as the profile has at most.
    ///
    /// # Errors
    /// If k6 cannot read the scripts.
    pub fn vus(
        &self,
        k6: &Path,
        config: &Config,
        key: &Secret,
        options: &k6::Options,
    ) -> anyhow::Result<u64> {
        let (Some(profile), Some(test)) = (&self.profile, self.tests.first()) else {
            return Ok(self.vus);
        };
        let env = [("PROFILE", profile.clone()), ("TEST", test.clone())];
        let shape = k6::inspect(k6, &config.main_js(), &env, key, options)?;
        Ok(shape.max_vus)
    }

    /// About how long the blocks will take.
    pub fn expected(&self, config: &Config) -> Duration {
        let block = |test: &str| self.block.max(config.longest_iteration(test)) + AROUND_A_BLOCK;
        let pairs = u32::try_from(self.pairs).unwrap_or(u32::MAX);
        self.tests
            .iter()
            .map(|test| block(test).saturating_mul(2).saturating_mul(pairs))
            .sum()
    }
}
