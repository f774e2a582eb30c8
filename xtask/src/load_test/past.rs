//! The run beside its past: every test is judged, and suspects are measured once more.

use std::path::Path;
use std::time::{Instant, SystemTime};

use super::Run;
use crate::history::{
    Again, Key, Lineage, Past, Reference, Settled, has_suspects, leave_open, settle, withdraw,
};
use crate::record::{Outcome, PastRecord, TestRecord, measured};
use crate::server::target::Target;
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, measure, prometheus, report, ui};

/// What past runs say, read once before the first test.
pub struct Before {
    past: Past,
    lineage: Lineage,
}

impl Run<'_> {
    /// Reads the history, and says what in it cannot be used.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(super) fn look_back(&mut self) -> anyhow::Result<()> {
        let path = crate::history::history_path(&self.plan.results);
        let past = crate::history::read(&path, SystemTime::now())?;
        for notice in &past.notices {
            ui::notice(notice);
        }
        self.record.notices.extend(past.notices.iter().cloned());
        let lineage = Lineage::look(self.root, &past.accepted);
        self.before = Some(Before { past, lineage });
        Ok(())
    }

    /// Puts the numbers of `test` beside those of its past, and says if one is suspect.
    pub(super) fn beside_its_past(&self, test: &mut TestRecord) {
        let Some(mut past) = self.judged(&Key::of(&self.record, &test.name), test) else {
            return;
        };
        if test.outcome != Outcome::Passed {
            withdraw(&mut past);
        } else if has_suspects(&past) {
            let then = if self.args.no_confirm {
                "it is not measured once more, as asked"
            } else {
                "it is measured once more after the other tests"
            };
            ui::notice(&format!("{} is worse than its past: {then}", test.name));
        }
        test.past = Some(past);
    }

    /// What past runs say; `None` if the run ended before they were read.
    pub(super) fn past(&self) -> Option<&Past> {
        self.before.as_ref().map(|before| &before.past)
    }

    fn judged(&self, key: &Key, test: &TestRecord) -> Option<PastRecord> {
        let before = self.before.as_ref()?;
        let now = measured(test.metrics.as_ref()?, test.server_usage.as_ref());
        let reference = Reference::of(&before.past, &before.lineage, key);
        Some(reference.judge(&now))
    }

    /// Measures every test with a suspect once more, on a fresh server if servers are started here, and settles it.
    /// `target` is where the plan wanted the server, `binary` the one that was started.
    pub(super) fn confirm_suspects(&mut self, target: &Target, binary: Option<&Path>) {
        for index in 0..self.record.tests.len() {
            let test = &self.record.tests[index];
            if !(test.outcome == Outcome::Passed && test.past.as_ref().is_some_and(has_suspects)) {
                continue;
            }
            let again = match interrupt::pending() {
                Some(interrupted) => Some(Err(interrupted.into())),
                None if self.args.no_confirm => None,
                None => {
                    let began = Instant::now();
                    let again = self.measure_again(index, target, binary);
                    self.record.duration_s += began.elapsed().as_secs_f64();
                    Some(again)
                }
            };
            self.settle(index, again);
        }
    }

    /// Runs test `index` once more, in a folder of its own.
    fn measure_again(
        &mut self,
        index: usize,
        target: &Target,
        binary: Option<&Path>,
    ) -> anyhow::Result<TestRecord> {
        let name = format!("{}-confirm", self.plan.tests[index]);
        let test_name = self.plan.tests[index].clone();
        let _group = github::group(&format!("{} {test_name}, once more", self.record.profile));
        ui::step(&format!("{test_name}: once more"));
        let dir = self.folder.test_dir(&name)?;
        self.plan.target = target.clone();
        let mut server = self.come_by_server(&dir, binary)?;
        server.watch()?;
        let ran = measure::OneTest {
            plan: &self.plan,
            test: &test_name,
            shape: &self.shapes[index],
            k6: &self.k6,
            args: self.args,
            main_js: &self.config.main_js(),
            dir: &dir,
            test_id: &format!("{}-confirm", self.folder.name),
            revision: &prometheus::revision(&self.record),
            prometheus: self.prometheus.as_ref(),
            interfering: &super::interfering(),
        }
        .run(&mut server);
        self.record.notices.extend(server.stop());
        let (test, notices) = ran?;
        self.record.notices.extend(notices);
        Ok(test)
    }

    /// Settles the suspects of test `index` by its second measurement; none if it was not wanted.
    fn settle(&mut self, index: usize, again: Option<anyhow::Result<TestRecord>>) {
        let name = self.record.tests[index].name.clone();
        let Some(mut past) = self.record.tests[index].past.take() else {
            return;
        };
        let settled = match again {
            None => settle(&mut past, &Again::SwitchedOff),
            Some(Err(error)) if error.is::<Interrupted>() => {
                leave_open(&mut past);
                Settled::default()
            }
            Some(Err(error)) => settle(&mut past, &Again::Impossible(&format!("{error:#}"))),
            Some(Ok(test)) if test.outcome == Outcome::Interrupted => {
                leave_open(&mut past);
                Settled::default()
            }
            Some(Ok(test)) if test.outcome != Outcome::Passed => {
                settle(&mut past, &Again::Failed(&test.reasons.join("; ")))
            }
            Some(Ok(test)) => {
                match self.judged(&Key::of(&self.record, &name).measured_again(), &test) {
                    Some(second) => settle(&mut past, &Again::Judged(&second)),
                    None => settle(&mut past, &Again::Impossible("it had no numbers")),
                }
            }
        };
        for notice in settled.notices {
            let notice = format!("{name}: {notice}");
            ui::notice(&notice);
            self.record.notices.push(notice);
        }
        let test = &mut self.record.tests[index];
        test.past = Some(past);
        if !settled.reasons.is_empty() {
            test.outcome = Outcome::Failed;
            test.reasons.extend(settled.reasons);
            ui::info(&report::one_line(test));
        }
    }
}
