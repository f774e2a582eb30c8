//! The run compared with its past: every test is judged, and suspects are measured once more.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use super::Run;
use super::one_test::Making;
use crate::history::{
    Confirmation, Key, Reference, SecondMeasurement, confirm, has_suspects, leave_open, only_show,
    withdraw_verdicts, withhold_sampled, withhold_times,
};
use crate::k6::Place;
use crate::profile::Profiler;
use crate::record::{Outcome, PastRecord, TestRecord};
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, report, ui};

impl Run<'_> {
    /// Reads the history, and says what in it cannot be used.
    pub(super) fn read_history(&mut self) {
        let path = crate::history::history_path(&self.plan.results);
        match crate::history::read(&path, SystemTime::now()) {
            Ok(past) => {
                for notice in &past.notices {
                    self.say(notice.clone());
                }
                self.before = Some(past);
            }
            Err(error) => self.say(format!("nothing is compared with past runs: {error:#}")),
        }
    }

    /// Compares the numbers of `test` with those of its past runs, and says if one is suspect.
    pub(super) fn compare_with_history(&self, test: &mut TestRecord) {
        let Some(mut past) = self.judged(&Key::of(&self.record, &test.name), test) else {
            return;
        };
        if test.slowed {
            withhold_times(&mut past, "k6 or its machine was too busy");
        }
        if test.profile.is_some() {
            let takes_memory = matches!(self.profiler, Some(Profiler::Own(_)));
            withhold_sampled(&mut past, takes_memory);
        }
        if self.args.show_past {
            only_show(&mut past);
        }
        if test.outcome != Outcome::Passed {
            withdraw_verdicts(&mut past);
        } else if test.capacity.is_some() {
            let confirmation = confirm(&mut past, &SecondMeasurement::Searched);
            if !confirmation.reasons.is_empty() {
                test.outcome = Outcome::Failed;
                test.reasons.extend(confirmation.reasons);
            }
        } else if has_suspects(&past) {
            let then = if self.extra.no_confirm {
                "it is not measured once more, as asked"
            } else {
                "it is measured once more after the other tests"
            };
            ui::notice(&format!("{} is worse than past runs: {then}", test.name));
        }
        test.past = Some(past);
    }

    fn judged(&self, key: &Key, test: &TestRecord) -> Option<PastRecord> {
        let before = self.before.as_ref()?;
        let now = test.measured();
        (!now.is_empty()).then(|| Reference::of(before, key).compare(&now))
    }

    /// Measures every test with a suspect once more, on a fresh server if servers are started here, and settles it.
    /// `binary` is the program that was started before.
    pub(super) fn confirm_suspects(&mut self, binary: Option<&Path>) {
        for index in 0..self.record.tests.len() {
            let test = &self.record.tests[index];
            if !(test.outcome == Outcome::Passed && test.past.as_ref().is_some_and(has_suspects)) {
                continue;
            }
            let again = match interrupt::pending() {
                Some(interrupted) => Some(Err(interrupted.into())),
                None if self.extra.no_confirm => None,
                None => {
                    let began = Instant::now();
                    let again = self.measure_again(index, binary);
                    self.record.duration_s += began.elapsed().as_secs_f64();
                    Some(again)
                }
            };
            self.confirm(index, again);
        }
    }

    /// Runs test `index` once more, in a folder of its own.
    fn measure_again(&mut self, index: usize, binary: Option<&Path>) -> anyhow::Result<TestRecord> {
        let name = format!("{}-confirm", self.plan.tests[index]);
        let test_name = self.plan.tests[index].clone();
        let _group = github::group(&format!("{} {test_name}, once more", self.record.profile));
        ui::step(&format!("{test_name}: once more"));
        let dir = self.folder.test_dir(&name)?;
        let mut server = self.acquire_server(&dir, binary, false)?;
        server.watch()?;
        let test_id = format!("{}-confirm", self.folder.name);
        let shape = self.shapes[index].clone();
        let place = Place {
            nth: 1,
            of: 1,
            before: Duration::ZERO,
            lasts: shape.lasts(),
            behind: Duration::ZERO,
        };
        let making = Making {
            name: &test_name,
            place,
            dir: &dir,
            load: &[],
            shape: &shape,
            test_id: &test_id,
            is_step: false,
            is_probed: true,
        };
        let test = self.run_test(index, &making, &mut server);
        self.record.notices.extend(server.stop());
        test.map(|tested| tested.record)
    }

    /// Settles the suspects of test `index` by its second measurement; none if it was not wanted.
    fn confirm(&mut self, index: usize, again: Option<anyhow::Result<TestRecord>>) {
        let name = self.record.tests[index].name.clone();
        let Some(mut past) = self.record.tests[index].past.take() else {
            return;
        };
        let confirmation = match again {
            None => confirm(&mut past, &SecondMeasurement::SwitchedOff),
            Some(Err(error)) if error.is::<Interrupted>() => {
                leave_open(&mut past);
                Confirmation::default()
            }
            Some(Err(error)) => confirm(
                &mut past,
                &SecondMeasurement::Impossible(&format!("{error:#}")),
            ),
            Some(Ok(test)) if test.outcome == Outcome::Interrupted => {
                leave_open(&mut past);
                Confirmation::default()
            }
            Some(Ok(test)) if test.outcome == Outcome::CouldNotRun => confirm(
                &mut past,
                &SecondMeasurement::Impossible(&test.reasons.join("; ")),
            ),
            Some(Ok(test)) if test.outcome != Outcome::Passed => confirm(
                &mut past,
                &SecondMeasurement::Failed(&test.reasons.join("; ")),
            ),
            Some(Ok(test)) => {
                match self.judged(&Key::of(&self.record, &name).measured_again(), &test) {
                    Some(second) => confirm(&mut past, &SecondMeasurement::Judged(&second)),
                    None => confirm(
                        &mut past,
                        &SecondMeasurement::Impossible("it had no numbers"),
                    ),
                }
            }
        };
        for notice in confirmation.notices {
            let notice = format!("{name}: {notice}");
            self.say(notice);
        }
        let test = &mut self.record.tests[index];
        test.past = Some(past);
        if !confirmation.reasons.is_empty() {
            test.outcome = Outcome::Failed;
            test.reasons.extend(confirmation.reasons);
            ui::info(&report::one_line(test));
        }
    }
}
