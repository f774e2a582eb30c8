//! Measures pairs until each test has its verdict, or all of its pairs.

use std::path::{Path, PathBuf};
use std::time::Instant;

use load_duet::script::Script;

use super::bench::{Bench, Broken, OrBroken};
use super::binaries::{Source, SourcePlace};
use super::checks::failures;
use super::functions::{self, SampledBy};
use super::instructions::{self, Callgrind, Profile};
use super::judge::{Floors, judge_pairs, rule};
use super::plan::ComparisonPlan;
use super::recording::{Method, checks};
use crate::profile::Profiler;
use crate::record::{Blocks, CheckCounts, Counted, Sampled, Side};
use crate::shell::interrupt::Interrupted;
use crate::{repo, ui};

/// The measuring of a comparison.
pub struct Rounds<'a> {
    /// Measures.
    pub bench: Bench<'a>,
    /// What is measured.
    pub plan: &'a ComparisonPlan,
    /// Counts instructions, if they are to be counted.
    pub callgrind: Option<&'a Callgrind>,
    /// Samples stacks, if they are to be sampled, or why there is nothing that does.
    pub profiler: Option<&'a Result<Profiler, String>>,
    /// What the sides are, and from what their programs are built.
    pub sources: [&'a Source; 2],
    /// Where they are built.
    pub place: &'a SourcePlace<'a>,
    /// What was changed in the working tree when it was built.
    pub changes: Option<String>,
    /// The floors that an early end depends on.
    pub floors: &'a Floors,
    /// Draws the order of what is asked.
    pub random: fastrand::Rng,
    /// What was measured so far.
    pub blocks: Blocks,
    /// What may explain a result.
    pub notices: Vec<String>,
}

impl Rounds<'_> {
    /// Measures the pairs of all tests, which take turns, so that none has the machine's quiet hour to itself.
    ///
    /// # Errors
    /// If a pair cannot be measured, or an interruption arrives; what was measured is in `blocks`.
    pub fn measure(&mut self) -> anyhow::Result<()> {
        let progress = ui::Progress::of("measuring");
        let mut methods: Vec<(&str, Method)> = Vec::new();
        for test in &self.plan.tests {
            progress.says(&format!(
                "{test}: recording its requests and counting its checks"
            ));
            let Some(mut method) = self.record(test)? else {
                return Ok(());
            };
            if failures(&self.blocks.checks, test).is_doubtful {
                progress.says(&format!("{test}: counting its checks again"));
                let Some(again) = self.record(test)? else {
                    return Ok(());
                };
                method = again;
            }
            methods.push((test, method));
        }
        let mut open: Vec<&(&str, Method)> = methods.iter().collect();
        if !self.plan.to_the_end {
            // What fails its checks needs no statistics.
            open.retain(|(test, _)| failures(&self.blocks.checks, test).worse.is_empty());
        }
        let mut begin = 0;
        for end in rule(self.plan.pairs).looks() {
            for nth in begin..end {
                for (test, method) in open.iter().copied() {
                    progress.says(&format!(
                        "{test}: pair {} of at most {}",
                        nth + 1,
                        self.plan.pairs
                    ));
                    if !self.measure_pair(test, nth, method)? {
                        return Ok(());
                    }
                }
            }
            begin = end;
            if self.plan.to_the_end {
                continue;
            }
            let judged = judge_pairs(&self.blocks, self.floors);
            open.retain(|(test, _)| judged.open.iter().any(|open| open == test));
        }
        self.name_functions(&progress, &methods)?;
        self.count_instructions(&progress, &methods)
    }

    /// Looks for the functions of the tests that are worse or better, if that is wanted.
    fn name_functions(
        &mut self,
        progress: &ui::Progress,
        methods: &[(&str, Method)],
    ) -> anyhow::Result<()> {
        let Some(profiler) = self.profiler else {
            return Ok(());
        };
        // Built for the first test that needs them, or not at all.
        let mut with_profiler: Option<Result<[PathBuf; 2], String>> = None;
        for judged in judge_pairs(&self.blocks, self.floors).tests {
            let Some(grew) = functions::direction(&judged) else {
                continue;
            };
            let test = &judged.name;
            progress.says(&format!("{test}: where its CPU time goes"));
            let method = methods.iter().find(|(name, _)| name == test);
            let sampled = match (profiler, method) {
                (Err(why), _) => Err(anyhow::anyhow!("perf cannot sample: {why}")),
                (Ok(profiler), Some((_, Method::Duet(script)))) => {
                    let programs = match &with_profiler {
                        Some(programs) => programs,
                        None => with_profiler.insert(self.programs_for(profiler)?),
                    };
                    match programs {
                        Err(why) => Err(anyhow::anyhow!("{why}")),
                        Ok([base, head]) => {
                            let programs = [base.as_path(), head.as_path()];
                            let by = SampledBy { profiler, programs };
                            let seed = self.random.u64(..);
                            self.bench.name_functions(&by, test, script, grew, seed)
                        }
                    }
                }
                (Ok(_), _) => Err(anyhow::anyhow!("it opens WebSockets")),
            };
            let sampled = match sampled {
                Err(error) if error.is::<Interrupted>() => return Err(error),
                // The verdict stands without.
                Err(error) => Sampled {
                    lacking: format!("{error:#}"),
                    ..Sampled::of(test, grew)
                },
                Ok(sampled) => sampled,
            };
            self.blocks.sampled.push(sampled);
        }
        Ok(())
    }

    /// The programs that `profiler` samples, or why there are none: those that are measured, unless they sample themselves,
    /// for which those are built once more that were not given.
    ///
    /// # Errors
    /// If an interruption arrives.
    fn programs_for(&self, profiler: &Profiler) -> anyhow::Result<Result<[PathBuf; 2], String>> {
        let measured = self.bench.programs.map(Path::to_owned);
        let Some(feature) = profiler.feature(&self.bench.config.table) else {
            return Ok(Ok(measured));
        };
        let provide = |side: Side| -> anyhow::Result<PathBuf> {
            let source = self.sources[side as usize];
            anyhow::ensure!(
                *source != Source::Tree || repo::changes(self.place.root) == self.changes,
                "the working tree has changed since it was built to be measured"
            );
            Ok(self.place.provide(source, side, Some(feature))?.path)
        };
        match provide(Side::Base).and_then(|base| Ok([base, provide(Side::Head)?])) {
            Err(error) if error.is::<Interrupted>() => Err(error),
            built => Ok(built.map_err(|error| {
                format!("perf cannot sample, and nor can the servers themselves: {error:#}")
            })),
        }
    }

    /// Has valgrind count the instructions of the tests that are measured by duets, if it is there.
    fn count_instructions(
        &mut self,
        progress: &ui::Progress,
        methods: &[(&str, Method)],
    ) -> anyhow::Result<()> {
        let Some(callgrind) = self.callgrind else {
            return Ok(());
        };
        let scripts = methods.iter().filter_map(|(test, method)| match method {
            Method::Duet(script) => Some((*test, script)),
            Method::Blocks => None,
        });
        let scripts: Vec<(&str, &Script)> = scripts.collect();
        let planned = instructions::pairs(scripts.iter().map(|(_, it)| it.routes.len()).sum());
        let counted = self.blocks.instructions.insert(Counted {
            planned,
            ..Counted::default()
        });
        for (test, script) in scripts {
            let mut profile = Profile::default();
            let until = Instant::now() + instructions::COUNTING_LIMIT;
            for nth in 1..=planned {
                progress.says(&format!("{test}: instructions, pair {nth} of {planned}"));
                match self
                    .bench
                    .instructions(callgrind, test, script, until, &mut profile)
                {
                    Ok(pair) => counted.pairs.push(pair),
                    Err(error) if error.is::<Interrupted>() => return Err(error),
                    // The other metrics are judged without.
                    Err(error) => {
                        let why = format!("{error:#}");
                        counted
                            .pairs
                            .push(instructions::lacking(test, script, &why));
                        break;
                    }
                }
            }
            counted
                .functions
                .extend(profile.grown(test, script, planned));
        }
        Ok(())
    }

    /// Finds out how a test is measured, and counts its checks; nothing if the head did not stand it.
    fn record(&mut self, test: &str) -> anyhow::Result<Option<Method>> {
        let recorded = self.bench.record(test)?;
        Ok(self.stood(test, recorded)?.map(|(method, checks)| {
            self.count(checks);
            method
        }))
    }

    /// Whether both sides stood a pair.
    fn measure_pair(&mut self, test: &str, nth: usize, method: &Method) -> anyhow::Result<bool> {
        let pair = match method {
            Method::Duet(script) => self.bench.duet(test, nth, script, self.random.u64(..))?,
            Method::Blocks => {
                let first = if self.random.bool() {
                    Side::Base
                } else {
                    Side::Head
                };
                let measured = self.bench.blocks(test, nth, first)?;
                measured.map(|(pair, [base, head])| {
                    self.count(checks(test, [&base, &head]));
                    pair
                })
            }
        };
        let pair = self.stood(test, pair)?;
        let stood = pair.is_some();
        self.blocks.pairs.extend(pair);
        Ok(stood)
    }

    /// Adds up what k6 counted.
    fn count(&mut self, counts: Vec<CheckCounts>) {
        for count in counts {
            let known = self
                .blocks
                .checks
                .iter_mut()
                .find(|known| known.test == count.test && known.what == count.what);
            let Some(known) = known else {
                self.blocks.checks.push(count);
                continue;
            };
            for at in 0..2 {
                known.base[at] += count.base[at];
                known.head[at] += count.head[at];
            }
        }
    }

    /// What was measured; nothing if the head did not stand it, which is kept. A base that does not makes a comparison
    /// impossible.
    pub(super) fn stood<T>(
        &mut self,
        test: &str,
        measured: OrBroken<T>,
    ) -> anyhow::Result<Option<T>> {
        match measured {
            Ok(measured) => Ok(Some(measured)),
            Err(Broken {
                side: Side::Base,
                why,
            }) => anyhow::bail!("the base did not withstand the load of {test}: {why}"),
            Err(Broken {
                side: Side::Head,
                why,
            }) => {
                self.blocks.broken = Some(format!("{test}: {why}"));
                Ok(None)
            }
        }
    }
}
