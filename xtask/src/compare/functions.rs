//! Which functions make a test worse or better: further pairs, in which both servers are sampled alike, so that what
//! sampling costs cancels. They come after the verdict and change none.

use std::path::Path;
use std::time::Duration;

use load_duet::script::Script;

use super::bench::{Bench, Broken};
use super::both::{Both, play};
use super::duet::WARM_UP;
use crate::profile::{self, Profiler, Sampling, Stacks};
use crate::record::{Change, Function, Kind, Measure, Sampled, Side, TestComparison};

/// Pairs of fresh servers that are sampled.
const PAIRS: u32 = 4;
/// How long perf samples them together, in the lengths of a pair that is measured: 24 s as a rule. Who samples itself is
/// sampled less often, by the kernel's tick.
const LENGTHS: u32 = 16;

/// Whether the head costs more of a request; none if nothing was found of which functions may be the reason.
pub fn direction(test: &TestComparison) -> Option<bool> {
    let of_time = |kind| matches!(kind, Kind::Cpu | Kind::Median | Kind::P95);
    let has = |change| {
        let mut metrics = test.metrics.iter();
        metrics.any(|metric| metric.change == change && of_time(metric.metric.kind()))
    };
    match (has(Change::Regression), has(Change::Improvement)) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// What both servers did in pairs that were sampled.
#[derive(Debug, Default)]
struct SampledPairs {
    stacks: [Stacks; 2],
    cpu_s: [f64; 2],
    requests: u64,
}

/// What samples both sides.
pub struct SampledBy<'a> {
    /// perf, or they themselves.
    pub profiler: &'a Profiler,
    /// Their programs, which have a profiler if they are to sample themselves.
    pub programs: [&'a Path; 2],
}

impl SampledBy<'_> {
    /// How long they are sampled together, in the lengths of a pair that is measured.
    fn lengths(&self) -> u32 {
        match self.profiler {
            Profiler::Perf(_) => LENGTHS,
            Profiler::Own(_) => 2 * LENGTHS,
        }
    }
}

impl Bench<'_> {
    /// Samples pairs of `test`, and names the functions that cost more of a request in the head, or less if not `grew`.
    /// Flame graphs go to the folder of the test.
    ///
    /// # Errors
    /// If a server does not start or stand the load, it cannot be sampled, files cannot be written, or an interruption
    /// arrives.
    pub fn name_functions(
        &self,
        by: &SampledBy<'_>,
        test: &str,
        script: &Script,
        grew: bool,
        seed: u64,
    ) -> anyhow::Result<Sampled> {
        let mut seen = SampledPairs::default();
        for nth in 0..PAIRS {
            self.sample_pair(by, test, script, seed.wrapping_add(nth.into()), &mut seen)?;
        }
        let each = seen.cpu_s.map(|cpu_s| cpu_s / seen.requests.max(1) as f64);
        let own = self.config.table.server.functions();
        let [base, head] = seen
            .stacks
            .each_ref()
            .map(|stacks| profile::functions(stacks, own.as_deref()));
        let cpu_ms = each.map(|seconds| seconds * 1e3);
        let functions = profile::grown([&base, &head], cpu_ms, grew);
        let dir = self.dir.join(test);
        std::fs::create_dir_all(&dir)?;
        for (side, stacks) in Side::BOTH.into_iter().zip(&seen.stacks) {
            let title = format!("{test}, {}: CPU time", side.name());
            let path = dir.join(format!("flame-{}.svg", side.name()));
            profile::draw(stacks, &title, &path)?;
        }
        let title = format!("{test}, head against base: CPU time per request");
        let nanoseconds = each.map(|seconds| seconds * 1e9);
        profile::draw_difference(
            seen.stacks.each_ref(),
            nanoseconds,
            &title,
            &dir.join("flame-diff.svg"),
        )?;
        let function = |cost: profile::Cost| Function {
            test: test.into(),
            metric: Measure::CpuPerRequest,
            name: cost.name,
            base: cost.of[0],
            head: cost.of[1],
        };
        Ok(Sampled {
            samples: seen.stacks.each_ref().map(Stacks::samples),
            cpu_ms,
            functions: functions.into_iter().map(function).collect(),
            ..Sampled::of(test, grew)
        })
    }

    fn sample_pair(
        &self,
        by: &SampledBy<'_>,
        test: &str,
        script: &Script,
        seed: u64,
        seen: &mut SampledPairs,
    ) -> anyhow::Result<()> {
        let mut both = self.start_both(&format!("{test}-sampled"), by.programs)?;
        let mut duet = both.duet(script, seed)?;
        let length = self.block * by.lengths() / PAIRS;
        play(&mut duet, WARM_UP, Duration::ZERO, length)?;
        let sample = |server| by.profiler.sample(server, self.key, length, self.scratch);
        let mut sampling = [sample(&both.servers[0])?, sample(&both.servers[1])?];
        let cpu = |both: &Both| both.look().map(|now| now.map_or(0.0, |now| now.cpu_s));
        let before = cpu(&both);
        let tally = play(&mut duet, 0, length, Duration::MAX)?;
        let after = cpu(&both);
        // Both at once: to read what one saw takes a while, in which the other side would be seen waiting.
        sampling.iter_mut().for_each(Sampling::pause);
        seen.requests += tally.requests;
        for (at, sampling) in sampling.into_iter().enumerate() {
            seen.cpu_s[at] += after[at] - before[at];
            seen.stacks[at].add(sampling.end()?);
        }
        both.check()
            .map_err(|Broken { side, why }| anyhow::anyhow!("{}: {why}", side.name()))?;
        both.stop();
        Ok(())
    }
}
