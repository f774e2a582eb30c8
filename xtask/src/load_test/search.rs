//! `capacity`: each test is measured under one load after another until the highest is known that still holds.
//!
//! Every step is a test like any other, by the same judge, but for the pages and the probe: what the server answers is
//! looked at once before the search. Where servers are started here each step has a fresh one. That costs a fraction of a
//! second, and a step must not inherit what an overload before it left behind: full queues, grown memory, a table of a
//! million rows. Else it would find a server that has just been broken, and the steps would not be independent, as the
//! search takes them to be. A server that already runs is the same in all steps.

mod asked;
mod sides;
mod step;

use std::path::Path;
use std::time::{Duration, Instant};

use load_stats::capacity::{Answer, Ask, End, LEVEL, Search, Step};

use super::Run;
use super::one_test::{Making, Tested};
use crate::k6::{Place, short};
use crate::record::{
    CapacityRecord, CauseRecord, LoadUnit, Outcome, SearchEnd, ServerKind, StepOutcome, StepRecord,
    StepRole, TestRecord,
};
use crate::server::Server;
use crate::shell::interrupt::{self, Interrupted};
use crate::{capacity, github, report, ui};

use asked::users_for;
use step::{never_ended, only_dropped, purpose, step_record, told};

pub use asked::{MOST, PROFILE, SearchPlan};
pub use sides::{Begin, Searches};

/// So many steps in a row may come to nothing for other programs before the machine is taken to be too busy.
const MOST_LOST: u32 = 3;

/// A search under way.
struct Searching<'a> {
    search: &'a SearchPlan,
    /// Which of the tests it is.
    index: usize,
    finder: Search,
    /// Each step, with all that was judged of it.
    made: Vec<(StepRecord, TestRecord)>,
    /// How many of the last steps came to nothing, since other programs took the processor.
    lost: u32,
}

impl Searching<'_> {
    /// How long an iteration takes, in seconds, under the lowest load that is known.
    fn iteration_s(&self) -> Option<f64> {
        let steps = self.made.iter().map(|(step, _)| step);
        let lowest = steps.min_by_key(|step| step.load);
        let known = lowest.and_then(|it| it.iteration_ms).map(|ms| ms / 1e3);
        known.or(self.search.iteration_s)
    }

    /// The record of the search if it ended now, as `ended`.
    fn record(&self, ended: SearchEnd) -> CapacityRecord {
        let options = self.search.options(self.index);
        CapacityRecord {
            unit: self.search.unit,
            resolution: options.resolution,
            budget_s: options.budget_s,
            step_s: options.step_s,
            confirm_s: options.confirm_s,
            steps: self.made.iter().map(|(step, _)| step.clone()).collect(),
            interval: self.finder.interval(),
            level: options.once.map_or(LEVEL, |_| 0.0),
            confirmed: self.finder.confirmed(),
            ended,
            cause: None,
        }
    }

    /// The test's record: the step that stands for it, just below the edge, or the least that failed; and the search.
    fn conclude(&self, planned: &TestRecord, ended: SearchEnd) -> TestRecord {
        let mut capacity = self.record(ended);
        let at_least = capacity.interval.at_least;
        let is_broken = matches!(capacity.ended, SearchEnd::Broken(_));
        let cause = capacity::cause(&capacity.steps, at_least, capacity.unit);
        // What ended the search is said already: other programs, and not the load generator; what kept it from any answer.
        let is_said =
            |it: &CauseRecord| is_broken && (at_least == 0.0 || capacity::is_generator(it));
        capacity.cause = cause.filter(|it| !is_said(it));
        let is_generator = capacity.cause.as_ref().is_some_and(capacity::is_generator);
        if is_generator || is_broken && at_least == 0.0 {
            capacity.interval.below = None;
        }
        // With more time it could ask for no more.
        if is_generator
            && matches!(
                capacity.ended,
                SearchEnd::ResolutionReached | SearchEnd::Budget
            )
        {
            capacity.ended = SearchEnd::Generator;
        }
        let held = self
            .made
            .iter()
            .filter(|(step, _)| step.outcome == StepOutcome::Held && step.load as f64 <= at_least);
        // Of two as high the longer one tells more.
        let held = held.max_by_key(|(step, _)| (step.load, step.duration_s as u64));
        let least = || self.made.iter().min_by_key(|(step, _)| step.load);
        let stands = held.or_else(least).map_or(planned, |(_, test)| test);
        let mut test = stands.clone();
        // The last step's verdict tells a server that died from a step that could not be made.
        let broke = match self.made.last() {
            Some((step, test)) if step.outcome == StepOutcome::Broken => test.outcome,
            _ => Outcome::CouldNotRun,
        };
        // What follows the first line, such as the end of the server's log.
        let mut more = "";
        let outcome = match &capacity.ended {
            SearchEnd::Interrupted => Outcome::Interrupted,
            SearchEnd::Broken(why) => {
                more = why.find('\n').map_or("", |end| &why[end..]);
                broke
            }
            SearchEnd::Generator | SearchEnd::Budget if at_least == 0.0 => Outcome::CouldNotRun,
            _ if at_least == 0.0 => Outcome::Failed,
            _ => Outcome::Passed,
        };
        test.reasons = match outcome {
            Outcome::Passed => Vec::new(),
            _ => vec![format!("{}{more}", capacity.known())],
        };
        if outcome != Outcome::Passed && !is_broken {
            let crossed = capacity.first_crossed().map(|(_, why)| why.to_owned());
            test.reasons.extend(crossed);
        }
        test.outcome = outcome;
        test.started_at = self
            .made
            .first()
            .and_then(|(_, first)| first.started_at.clone());
        test.capacity = Some(capacity);
        test
    }
}

impl Run<'_> {
    /// Searches for the capacity in each test, one after the other, with `server` or with fresh ones of `binary`. Returns
    /// the last server beside what ended the search.
    pub(super) fn search_tests(
        &mut self,
        search: &SearchPlan,
        server: Server,
        binary: Option<&Path>,
    ) -> (anyhow::Result<()>, Option<Server>) {
        let mut server = Some(server);
        for index in 0..self.plan.tests.len() {
            if interrupt::pending().is_some() {
                break;
            }
            if let Err(error) = self.search_test(search, index, &mut server, binary) {
                return (Err(error), server);
            }
        }
        (Ok(()), server)
    }

    fn search_test(
        &mut self,
        search: &SearchPlan,
        index: usize,
        server: &mut Option<Server>,
        binary: Option<&Path>,
    ) -> anyhow::Result<()> {
        let name = self.plan.tests[index].clone();
        let _group = github::group(&format!("{PROFILE} {name}"));
        let dir = self.folder.test_dir(&name)?;
        let wrong = match server.as_ref() {
            Some(server) => self.probe(&name, server, &dir, "before")?,
            None => Vec::new(),
        };
        let mut test = self.search_in(&dir, search, index, server, binary, &wrong);
        self.record.tests[index] = test.clone();
        self.compare_with_history(&mut test);
        match (&test.capacity, test.outcome) {
            (Some(capacity), Outcome::Passed) => {
                ui::info(&format!("{name} {}", capacity.sentence()));
            }
            _ => ui::info(&report::one_line(&test)),
        }
        self.record.tests[index] = test;
        Ok(())
    }

    /// Searches with its files in `dir`, unless the answers are `wrong` already.
    fn search_in(
        &mut self,
        dir: &Path,
        search: &SearchPlan,
        index: usize,
        server: &mut Option<Server>,
        binary: Option<&Path>,
        wrong: &[String],
    ) -> TestRecord {
        let mut searching = Searching {
            search,
            index,
            finder: Search::new(search.options(index)),
            made: Vec::new(),
            lost: 0,
        };
        let ended = loop {
            if !wrong.is_empty() {
                break SearchEnd::Broken(wrong.join("; "));
            }
            if interrupt::pending().is_some() {
                break SearchEnd::Interrupted;
            }
            let step = match searching.finder.next() {
                Ask::Step(step) => step,
                Ask::Done(End::ResolutionReached) => break SearchEnd::ResolutionReached,
                Ask::Done(End::Budget) => break SearchEnd::Budget,
                Ask::Done(End::Limit) => break SearchEnd::Generator,
            };
            match self.make_step(&mut searching, step, dir, server, binary) {
                Ok(None) => {}
                Ok(Some(ended)) => break ended,
                Err(error) if error.is::<Interrupted>() => break SearchEnd::Interrupted,
                Err(error) => break SearchEnd::Broken(format!("{error:#}")),
            }
        };
        let mut test = searching.conclude(&self.record.tests[index], ended);
        if !wrong.is_empty() {
            test.outcome = Outcome::Failed;
        }
        test
    }

    /// Makes `step`, and tells what came of it; why the search cannot go on, if so.
    ///
    /// # Errors
    /// If it could not be made, or an interruption arrives.
    fn make_step(
        &mut self,
        searching: &mut Searching<'_>,
        step: Step,
        dir: &Path,
        server: &mut Option<Server>,
        binary: Option<&Path>,
    ) -> anyhow::Result<Option<SearchEnd>> {
        let began = Instant::now();
        let Searching { search, index, .. } = *searching;
        let test = self.plan.tests[index].clone();
        let nth = searching.made.len() + 1;
        let lasts = Duration::from_secs_f64(step.seconds);
        let left = Duration::from_secs_f64(searching.finder.left_s());
        let words = search.unit.counted(step.load as f64);
        ui::step(&format!(
            "{test}, step {nth}: {words} for {}, {} ({} left)",
            short(lasts),
            purpose(step.role),
            short(left)
        ));
        let dir = dir.join(format!("{nth:02}-{}", step.load));
        std::fs::create_dir(&dir)?;
        let grace = self.config.longest_iteration(&test);
        let iteration_s = searching.iteration_s();
        let load = search.load_env(step.load, lasts, grace, iteration_s);
        let (k6, main_js) = (&self.k6.path, self.config.main_js());
        let shape = self.plan.shape(&test, &load, k6, &main_js, &self.options)?;
        let server = match server {
            Some(server) if server.kind == ServerKind::Url => server,
            other => {
                let before = other.take().map_or_else(Vec::new, Server::stop);
                self.record.notices.extend(before);
                let fresh = self.acquire_server(&dir, binary, true)?;
                let fresh = other.insert(fresh);
                fresh.watch()?;
                fresh
            }
        };
        let name = format!("{test} with {words}");
        let planned = shape.lasts();
        let others = self.plan.tests.len() - index - 1;
        let making = Making {
            name: &name,
            place: Place {
                nth: index + 1,
                of: self.plan.tests.len(),
                before: search.budget.saturating_mul(index as u32) + (search.budget - left),
                lasts: planned,
                behind: left.saturating_sub(planned) + search.budget.saturating_mul(others as u32),
            },
            dir: &dir,
            load: &load,
            shape: &shape,
            test_id: &self.folder.name.clone(),
            is_step: true,
            is_probed: step.role == StepRole::ConfirmBelow,
        };
        let Tested {
            record,
            broken,
            limits,
            resources,
        } = self.run_test(index, &making, server)?;
        let is_short_of_users = search.unit == LoadUnit::IterationsPerSecond
            && users_for(step.load, iteration_s).1 == MOST
            && only_dropped(&record);
        let outcome = match (record.outcome, &broken) {
            (Outcome::Interrupted, _) => StepOutcome::Interrupted,
            (_, Some(_)) => StepOutcome::Broken,
            (Outcome::Passed, None) => StepOutcome::Held,
            (Outcome::Failed, None) if !is_short_of_users => StepOutcome::Failed,
            _ => StepOutcome::Generator,
        };
        let made = step_record(search.unit, step, outcome, &record, resources);
        ui::info(&told(&made));
        let took_s = began.elapsed().as_secs_f64();
        if outcome == StepOutcome::Generator && limits.others {
            searching.finder.lost(took_s);
            searching.lost += 1;
            let why = made.reasons.first().cloned().unwrap_or_default();
            searching.made.push((made, record));
            let is_vain = searching.lost >= MOST_LOST;
            return Ok(is_vain.then_some(SearchEnd::Broken(why)));
        }
        searching.lost = 0;
        let too_short = never_ended(&made);
        searching.made.push((made, record));
        if let Some(why) = too_short {
            return Ok(Some(SearchEnd::Broken(why)));
        }
        let answer = match (outcome, broken) {
            (StepOutcome::Held, _) => Answer::Held,
            (StepOutcome::Failed, _) => Answer::Failed,
            (StepOutcome::Generator, _) => Answer::Limit,
            (StepOutcome::Broken, why) => {
                return Ok(Some(SearchEnd::Broken(why.unwrap_or_default())));
            }
            (StepOutcome::Interrupted, _) => return Ok(Some(SearchEnd::Interrupted)),
        };
        searching.finder.tell(step, answer, took_s);
        // To try more would use up the memory of others too.
        let is_vain = answer == Answer::Limit && limits.crashed;
        Ok(is_vain.then_some(SearchEnd::Generator))
    }
}

#[cfg(test)]
mod tests {
    use super::asked::STEP;
    use super::*;
    use crate::record::{LoadUnit, ResourcesRecord};

    /// 20 users hold, and 40 do not.
    const EDGE: [(u64, Answer); 3] = [
        (20, Answer::Held),
        (40, Answer::Failed),
        (40, Answer::Failed),
    ];

    /// What a search says that `ended` so after `answers`, when k6 took `k6_cpu` of the machine.
    fn concluded(answers: &[(u64, Answer)], ended: SearchEnd, k6_cpu: f64) -> TestRecord {
        let search = SearchPlan {
            unit: LoadUnit::Users,
            resolution: 0.05,
            budget: Duration::from_secs(600),
            confirm: Duration::from_secs(60),
            steps: vec![STEP],
            start: 20,
            once: None,
            iteration_s: None,
        };
        let mut searching = Searching {
            search: &search,
            index: 0,
            finder: Search::new(search.options(0)),
            made: Vec::new(),
            lost: 0,
        };
        let planned = TestRecord::planned("ask", 20, Vec::new());
        for &(load, answer) in answers {
            let (seconds, role) = (10.0, StepRole::Grow);
            let step = Step {
                load,
                seconds,
                role,
            };
            let outcome = match answer {
                Answer::Held => StepOutcome::Held,
                Answer::Failed => StepOutcome::Failed,
                Answer::Limit => StepOutcome::Generator,
            };
            let resources = ResourcesRecord {
                generator_cpu: Some(k6_cpu),
                ..ResourcesRecord::default()
            };
            let made = step_record(search.unit, step, outcome, &planned, resources);
            searching.finder.tell(step, answer, 12.0);
            searching.made.push((made, planned.clone()));
        }
        searching.conclude(&planned, ended)
    }

    #[test]
    fn the_generators_edge_is_never_the_servers_however_the_search_ended() {
        use SearchEnd::{Budget, Generator, Interrupted, ResolutionReached};
        for (ended, said) in [
            (Budget, Generator),
            (ResolutionReached, Generator),
            (Interrupted, Interrupted),
        ] {
            let servers = concluded(&EDGE, ended.clone(), 0.2).capacity.unwrap();
            assert!(servers.interval.below.is_some(), "{servers:?}");
            assert_eq!(servers.ended, ended);
            let generators = concluded(&EDGE, ended, 0.9).capacity.unwrap();
            assert_eq!(generators.interval.below, None, "{generators:?}");
            assert_eq!(generators.ended, said);
        }
    }

    #[test]
    fn what_held_is_an_answer_though_the_generator_came_to_its_end() {
        let answers = [(20, Answer::Held), (40, Answer::Limit)];
        let test = concluded(&answers, SearchEnd::Generator, 0.2);
        assert_eq!(test.outcome, Outcome::Passed);
        let said = test.capacity.unwrap().sentence();
        assert_eq!(
            said,
            "holds at least 20 users; this machine cannot ask for more"
        );
        let nothing = concluded(&answers[1..], SearchEnd::Generator, 0.2);
        assert_eq!(nothing.outcome, Outcome::CouldNotRun);
    }

    #[test]
    fn a_search_that_tried_too_much_in_too_little_time_accuses_nobody() {
        let failed = |load| (load, Answer::Failed);
        let short = concluded(&[failed(40), failed(20)], SearchEnd::Budget, 0.2);
        assert_eq!(short.outcome, Outcome::CouldNotRun);
        let said = "fails with 20 users already when the time was up: give a lower --start";
        assert!(short.reasons[0].starts_with(said), "{short:?}");
        let whole = [2, 1, 1].map(failed);
        let whole = concluded(&whole, SearchEnd::ResolutionReached, 0.2);
        assert_eq!(whole.outcome, Outcome::Failed);
    }

    #[test]
    fn what_no_iteration_ended_in_says_nothing_of_the_server() {
        let never = k6_summary::Reason::NoIteration {
            duration_ms: 7_000.0,
            requests: 3,
        };
        let mut test = TestRecord::planned("ask", 1, Vec::new());
        test.reasons = vec![never.to_string()];
        let step = |load| {
            let (seconds, role) = (1.0, StepRole::Grow);
            let step = Step {
                load,
                seconds,
                role,
            };
            let used = ResourcesRecord::default();
            step_record(LoadUnit::Users, step, StepOutcome::Failed, &test, used)
        };
        // A server that hangs under more may well hold less.
        assert_eq!(never_ended(&step(2)), None);
        let why = never_ended(&step(1)).unwrap();
        assert!(
            why.starts_with("no iteration completed in 7 s: give a --step"),
            "{why}"
        );
        let failed = [(2, Answer::Failed), (1, Answer::Failed)];
        let test = concluded(&failed, SearchEnd::Broken(why.clone()), 0.2);
        assert_eq!(test.outcome, Outcome::CouldNotRun);
        assert_eq!(test.reasons, [why]);
        let found = test.capacity.unwrap();
        assert_eq!((found.interval.below, found.cause), (None, None));
    }
}
