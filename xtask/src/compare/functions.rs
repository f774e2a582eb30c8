//! Which functions make a test worse or better: further pairs, in which both servers are sampled alike, so that what
//! sampling costs cancels. They come after the verdict and change none.

use std::path::Path;
use std::time::{Duration, Instant};

use load_duet::replay::Duet;
use load_duet::script::Script;

use super::bench::{Bench, pid, socket};
use super::duet::WARM_UP;
use crate::profile::{self, Perf, Stacks};
use crate::record::{Change, Function, Kind, Measure, Sampled, Side, TestComparison};
use crate::server::{Sampler, Server};
use crate::shell::interrupt;

/// Pairs of fresh servers that are sampled.
const PAIRS: u32 = 4;
/// How long they are sampled together, in the lengths of a pair that is measured: 24 s as a rule.
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
struct Seen {
    stacks: [Stacks; 2],
    cpu_s: [f64; 2],
    requests: u64,
}

impl Bench<'_> {
    /// Samples pairs of `test`, and names the functions that cost more of a request in the head, or less if not `grew`.
    /// Flame graphs go to the folder of the test.
    ///
    /// # Errors
    /// If a server does not start or stand the load, perf fails, files cannot be written, or an interruption arrives.
    pub fn name_functions(
        &self,
        perf: &Perf,
        test: &str,
        script: &Script,
        grew: bool,
        seed: u64,
    ) -> anyhow::Result<Sampled> {
        let mut seen = Seen::default();
        for nth in 0..PAIRS {
            self.sample_pair(perf, test, script, seed.wrapping_add(nth.into()), &mut seen)?;
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
        let title = format!("{test}, head against base: CPU time of a request");
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
        perf: &Perf,
        test: &str,
        script: &Script,
        seed: u64,
        seen: &mut Seen,
    ) -> anyhow::Result<()> {
        let dirs =
            [Side::Base, Side::Head].map(|side| self.folder(&format!("{test}-sampled"), side));
        let [base, head] = dirs;
        let dirs = [base?, head?];
        let mut servers = [
            self.start(Side::Base, &dirs[0])?,
            self.start(Side::Head, &dirs[1])?,
        ];
        let addresses = [socket(&servers[0].address)?, socket(&servers[1].address)?];
        let mut duet = Duet::prepare(script, addresses, seed);
        let length = self.block * LENGTHS / PAIRS;
        let mut play = |requests: u64, at_least: Duration| {
            let begin = Instant::now();
            let tally = duet.play(|tally| {
                let is_enough = tally.requests >= requests || begin.elapsed() >= length;
                (is_enough && begin.elapsed() >= at_least) || interrupt::check().is_err()
            });
            interrupt::check().map(|()| tally)
        };
        play(WARM_UP, Duration::ZERO)?;
        let sampling = [pid(&servers[0])?, pid(&servers[1])?]
            .map(|pid| perf.sample(pid, length, self.scratch));
        let [base, head] = sampling;
        let sampling = [base?, head?];
        let cpu = |servers: &[Server; 2]| {
            servers.each_ref().map(|server| {
                let now = server.sampler().and_then(Sampler::now);
                now.map_or(0.0, |sample| sample.cpu_s)
            })
        };
        let before = cpu(&servers);
        let tally = play(u64::MAX, length)?;
        let after = cpu(&servers);
        seen.requests += tally.requests;
        for (at, sampling) in sampling.into_iter().enumerate() {
            seen.cpu_s[at] += after[at] - before[at];
            seen.stacks[at].add(sampling.end()?);
            if let Err(why) = servers[at].check() {
                anyhow::bail!(
                    "the server of {} did not stand it: {why}",
                    Side::BOTH[at].name()
                );
            }
        }
        for (server, dir) in servers.into_iter().zip(&dirs) {
            server.stop();
            let _only_room = std::fs::remove_dir_all::<&Path>(dir);
        }
        Ok(())
    }
}
