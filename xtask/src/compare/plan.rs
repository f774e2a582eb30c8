//! What is measured, and whether that many pairs can say anything at all.

use std::path::Path;
use std::time::Duration;

use load_stats::decide::DecisionRule;
use load_stats::signed_rank::{pairs_for_p, smallest_p};

use super::judge::too_few;
use crate::cli::{Compare, Profile};
use crate::error::UsageError;
use crate::k6;
use crate::plan::{Test, chosen};
use crate::secret::Secret;

/// Metrics of a test at most: the median and the p95 of three trends, CPU, memory and bytes.
const METRICS_OF_A_TEST: usize = 9;
/// What a block takes beside its full load: the server's start, warming up, k6's start, the ramp, the last iterations.
const AROUND_A_BLOCK: Duration = Duration::from_millis(3_000);
/// How long an iteration of the WebSocket test holds its connection.
const WEBSOCKET_HOLD: Duration = Duration::from_secs(31);

/// A checked command line.
#[derive(Debug)]
pub struct Plan {
    /// The tests.
    pub tests: Vec<Test>,
    /// Pairs for each test.
    pub pairs: usize,
    /// How long a block is under full load.
    pub block: Duration,
    /// Drew everything that is drawn.
    pub seed: u64,
    vus: u64,
    profile: Option<Profile>,
}

impl Plan {
    /// Checks the command line.
    ///
    /// # Errors
    /// A [`UsageError`] with the arithmetic if so few pairs could never be significant.
    pub fn new(args: &Compare) -> Result<Self, UsageError> {
        let tests = chosen(&args.tests);
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
            profile: args.profile,
        })
    }

    /// The virtual users of a block: as given, or as many as the profile has at most.
    ///
    /// # Errors
    /// If k6 cannot read the scripts.
    pub fn vus(
        &self,
        k6: &Path,
        root: &Path,
        key: &Secret,
        options: &k6::Options,
    ) -> anyhow::Result<u64> {
        let Some(profile) = self.profile else {
            return Ok(self.vus);
        };
        let env = [
            ("PROFILE", profile.name().to_owned()),
            ("TEST", Test::Health.name().to_owned()),
        ];
        let shape = k6::inspect(k6, &root.join("load-tests/main.js"), &env, key, options)?;
        Ok(shape.max_vus)
    }

    /// About how long the blocks will take.
    pub fn expected(&self) -> Duration {
        let block = |test: &Test| match test {
            Test::Websocket => self.block.max(WEBSOCKET_HOLD) + AROUND_A_BLOCK,
            _ => self.block + AROUND_A_BLOCK,
        };
        let pairs = u32::try_from(self.pairs).unwrap_or(u32::MAX);
        self.tests
            .iter()
            .map(|test| block(test).saturating_mul(2).saturating_mul(pairs))
            .sum()
    }
}
