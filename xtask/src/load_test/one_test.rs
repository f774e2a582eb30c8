//! The tests of a run: each is measured, judged and compared with its history, whatever the others' verdicts.

use std::path::Path;

use k6_summary::{Limits, ServerState};

use super::{Run, judge};
use crate::k6::{Invocation, Place, Shape};
use crate::measure::probe::Probe;
use crate::measure::{Measured, measure};
use crate::plan::LoadEnv;
use crate::prometheus::{self, Prometheus, Tags};
use crate::record::{Outcome, ResourcesRecord, TestRecord};
use crate::server::{Sampler, Server};
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, report, ui};

/// How a test is measured once.
pub struct Making<'a> {
    /// What it is called where its progress is shown.
    pub name: &'a str,
    /// Its place in what is to be done.
    pub place: Place,
    /// Where its files go.
    pub dir: &'a Path,
    /// What chooses its load within the profile.
    pub load: &'a LoadEnv,
    /// Its load, as k6 understands it.
    pub shape: &'a Shape,
    /// The tag of its metrics.
    pub test_id: &'a str,
    /// Whether it is a step of a search, which has no page of its own.
    pub is_step: bool,
    /// Whether the server's answers are probed: of a step only afterwards.
    pub is_probed: bool,
}

/// A test that was measured.
pub struct Tested {
    /// What came of it.
    pub record: TestRecord,
    /// Why it says nothing of how the server withstands the load, if so: k6 died, or the server did.
    pub broken: Option<String>,
    /// What limited the load generator.
    pub limits: Limits,
    /// What was used meanwhile, of a step.
    pub resources: ResourcesRecord,
}

impl Run<'_> {
    /// Runs every test of the plan against `server`.
    pub(super) fn run_tests(&mut self, server: &mut Server) -> anyhow::Result<()> {
        for index in 0..self.plan.tests.len() {
            if interrupt::pending().is_some() {
                break;
            }
            if let Some(why) = server.gone() {
                let mut reasons = self.record.tests.iter().flat_map(|test| &test.reasons);
                let is_known = reasons.any(|reason| reason.contains(&why));
                let test = &mut self.record.tests[index];
                test.outcome = Outcome::Failed;
                test.reasons = vec![match is_known {
                    true => "not run, since the server is gone".into(),
                    false => format!("not run, since the server is gone: {why}"),
                }];
                continue;
            }
            let name = self.plan.tests[index].clone();
            let running = github::group(&format!("{} {name}", self.record.profile));
            let dir = self.folder.test_dir(&name)?;
            let place = self.place(index);
            let shape = self.shapes[index].clone();
            let making = Making {
                name: &name,
                place,
                dir: &dir,
                load: &[],
                shape: &shape,
                test_id: &self.folder.name.clone(),
                is_step: false,
                is_probed: true,
            };
            ui::step(&format!("{name}: {shape}"));
            let mut test = self.run_test(index, &making, server)?.record;
            drop(running);
            ui::info(&report::one_line(&test));
            self.compare_with_history(&mut test);
            self.record.tests[index] = test;
        }
        Ok(())
    }

    /// Measures test `index` once, as `making` says, and judges it.
    pub(super) fn run_test(
        &mut self,
        index: usize,
        making: &Making<'_>,
        server: &mut Server,
    ) -> anyhow::Result<Tested> {
        let &Making {
            place,
            dir,
            load,
            shape,
            test_id,
            is_step,
            is_probed,
            ..
        } = making;
        let test = self.plan.tests[index].clone();
        let tags = Tags::of(&self.record, test_id, &test);
        let mut env = self
            .plan
            .run_env(&test, load, &server.address, test_id, &tags.revision);
        let mut outputs = Vec::new();
        if let Some(prometheus) = &self.prometheus {
            env.extend(prometheus.k6_env(shape.duration()));
            outputs = Prometheus::k6_args();
        }
        let mut live = self.prometheus.as_ref().map(|prometheus| {
            let before = server.sampler().and_then(Sampler::now);
            prometheus.test_begins(tags, shape.duration(), before)
        });
        let invocation = Invocation {
            k6: &self.k6.path,
            main_js: &self.config.main_js(),
            test: making.name,
            dir,
            env: &env,
            key: &self.plan.key,
            outputs: &outputs,
            options: &self.options,
            tags: &shape.tags,
            excuse_others: !self.args.judge_when_busy,
            dashboard: !is_step,
            open: self.extra.open,
            load: shape.duration(),
            place: Some(place),
            at_most: shape.at_most,
            teardown_limit: shape.teardown_limit,
        };
        let mut probed = match is_probed && !is_step {
            true => self.probe(&test, server, dir, "before")?,
            false => Vec::new(),
        };
        let mut window = self.window(shape)?;
        let watched = is_step.then(|| server.watch_resources()).transpose()?;
        let measured = measure(&invocation, server, |server| {
            if let Some(window) = &mut window {
                window.tick(server, &self.plan.key);
            }
            if let Some(live) = &mut live {
                live.tick(server.sampler());
            }
            None
        })?;
        if let Some(live) = live {
            live.ends(server.sampler());
        }
        let mut unfinished = false;
        if is_probed && measured.ran.stopped.is_none() && measured.server == ServerState::Healthy {
            match self.probe(&test, server, dir, "after") {
                Ok(failures) => probed.extend(failures),
                Err(error) if error.is::<Interrupted>() => unfinished = true,
                Err(error) => return Err(error),
            }
        }
        let as_planned = self.options.as_planned;
        let (mut record, notice) =
            judge::judge_test(&test, shape, self.args, as_planned, &measured, probed);
        // Where k6 itself lacked what it needs the verdict says so, and nothing broke.
        let is_generators = record.outcome == Outcome::CouldNotRun;
        let broken = judge::broken(&measured).filter(|_| !is_generators);
        let limits = measured.ran.limits.clone();
        let resources = watched.map(|watched| measured.resources(watched));
        let mut resources = resources.unwrap_or_default();
        if is_generators && !limits.others {
            let too_much = measured.ran.used.too_much;
            resources.generator_cpu = too_much.or(resources.generator_cpu);
        }
        if unfinished {
            record.outcome = Outcome::Interrupted;
        }
        if is_step {
            // What explains a step stands in its record; thirty of them would bury what explains the search.
            return Ok(Tested {
                record,
                broken,
                limits,
                resources,
            });
        }
        if let Some(window) = window {
            self.keep_profile(window, &mut record, dir);
        }
        let notice = notice.map(|notice| format!("{test}: {notice}"));
        for notice in
            notice
                .into_iter()
                .chain(self.test_notices(&test, dir, &measured, server.counts()))
        {
            self.say(notice);
        }
        let said = server.said().into_iter();
        let said = said.map(|notice| format!("{test}: {notice}"));
        self.record.notices.extend(said);
        Ok(Tested {
            record,
            broken,
            limits,
            resources,
        })
    }

    /// Where test `index` stands in the run.
    fn place(&self, index: usize) -> Place {
        let lasts = |shapes: &[Shape]| shapes.iter().map(Shape::lasts).sum();
        Place {
            nth: index + 1,
            of: self.shapes.len(),
            before: lasts(&self.shapes[..index]),
            lasts: self.shapes[index].lasts(),
            behind: lasts(&self.shapes[index + 1..]),
        }
    }

    /// What is wrong with the server's answers before or after a test, in sentences.
    pub(super) fn probe(
        &self,
        test: &str,
        server: &Server,
        dir: &Path,
        when: &str,
    ) -> anyhow::Result<Vec<String>> {
        let Some(script) = &self.config.probe_js() else {
            return Ok(Vec::new());
        };
        let probe = Probe {
            k6: &self.k6.path,
            script,
            options: &self.options,
            key: &self.plan.key,
            address: &server.address,
        };
        let failures = probe.look(test, &dir.join(format!("probe-{when}.json")))?;
        let failures = failures.iter();
        Ok(failures
            .map(|failure| format!("{when} the test, {failure}"))
            .collect())
    }

    /// What may explain the result of a test.
    fn test_notices(
        &self,
        test: &str,
        dir: &Path,
        measured: &Measured,
        counts: bool,
    ) -> Vec<String> {
        let ran = &measured.ran;
        let mut notices: Vec<String> = ran.log_problem.clone().into_iter().collect();
        let count = measured.count_notice(counts);
        notices.extend(count.map(|count| format!("{test}: {count}")));
        notices.extend(
            ran.limits
                .sentences
                .iter()
                .map(|limit| format!("{test}: {limit}")),
        );
        if ran.stopped.is_none() && !dir.join("report.html").is_file() {
            notices.push(format!(
                "{test}: k6 wrote no report.html: it ran too briefly or could not write it"
            ));
        }
        let lost = match self.prometheus {
            Some(_) => prometheus::lost_pushes(&dir.join("k6.log")),
            None => 0,
        };
        if lost > 0 {
            notices.push(format!(
                "{test}: {lost} of k6's pushes to Prometheus were lost; k6.log says why"
            ));
        }
        notices
    }
}
