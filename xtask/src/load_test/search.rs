//! `capacity`: each test is measured under one load after another until the highest is known that still holds.
//!
//! Every step is a test like any other, by the same judge, but for the pages and the probe: what the server answers is
//! looked at once before the search. Where servers are started here each step has a fresh one. That costs a fraction of a
//! second, and a step must not inherit what an overload before it left behind: full queues, grown memory, a table of a
//! million rows. Else it would find a server that has just been broken, and the steps would not be independent, as the
//! search takes them to be. A server that already runs is the same in all steps.

use std::path::Path;
use std::time::{Duration, Instant};

use load_stats::capacity::{Answer, Ask, End, LEVEL, Options, Search, Step};

use super::Run;
use super::one_test::{Making, Tested};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{K6, Place, short};
use crate::plan;
use crate::record::{
    CapacityRecord, CauseRecord, LoadUnit, Outcome, ResourcesRecord, SearchEnd, ServerKind,
    StepOutcome, StepRecord, StepRole, TestRecord, share,
};
use crate::server::Server;
use crate::shell::interrupt::{self, Interrupted};
use crate::{capacity, cli};
use crate::{github, report, ui};

/// The profile in load-tests/main.js that makes a step's load, and the name of such runs.
const PROFILE: &str = "capacity";
/// How long the users of a step take to begin, in load-tests/main.js.
const RAMP: Duration = Duration::from_secs(1);
/// How long a step makes its load if nobody says otherwise.
const STEP: Duration = Duration::from_secs(10);
/// How long the last iterations of a step may take at least.
const GRACE: Duration = Duration::from_secs(5);
/// Steps that a budget must have room for: up, up again and once more.
const FEWEST_STEPS: u32 = 3;
/// What a step takes beside its load, at a guess.
const AROUND_A_STEP: Duration = Duration::from_secs(3);
/// The greatest load that is asked for: k6 has no room for more virtual users on one machine.
pub const MOST: u64 = 50_000;
/// So many steps in a row may come to nothing for other programs before the machine is taken to be too busy.
const MOST_LOST: u32 = 3;
/// How long an iteration may take under a rate, beside what it takes when the server is idle, before no user is free.
const WAIT_S: f64 = 5.0;
/// For how long everything may stand still before users must be made, which takes k6 so long that iterations are dropped.
const HICCUP_S: f64 = 0.25;

/// A checked command line.
#[derive(Debug, Clone)]
pub struct Plan {
    unit: LoadUnit,
    resolution: f64,
    /// For each test.
    budget: Duration,
    confirm: Duration,
    /// How long a step of each test makes its load.
    steps: Vec<Duration>,
    start: u64,
}

impl Plan {
    /// Checks the command line, and has `plan` make the first load.
    ///
    /// # Errors
    /// A [`UsageError`] if the budget has no room for a search.
    pub fn new(
        asked: &cli::Search,
        plan: &mut plan::Plan,
        config: &Config,
    ) -> Result<Self, UsageError> {
        let step = |test: &String| {
            let least = STEP.max(2 * config.longest_iteration(test));
            asked.step.unwrap_or(least)
        };
        let steps: Vec<Duration> = plan.tests.iter().map(step).collect();
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX).max(1);
        let budget = asked.budget / count;
        let longest = steps.iter().max().copied().unwrap_or_default();
        let need = (longest + AROUND_A_STEP) * FEWEST_STEPS;
        if budget < need {
            return Err(UsageError(format!(
                "--budget leaves {} for each test, and {FEWEST_STEPS} steps take {}: give at least {}, name fewer tests, or make --step shorter",
                short(budget),
                short(need),
                humantime::format_duration(need * count)
            )));
        }
        let search = Self {
            unit: match asked.rate {
                true => LoadUnit::IterationsPerSecond,
                false => LoadUnit::Users,
            },
            resolution: asked.resolution,
            budget,
            confirm: asked.confirm,
            steps,
            start: asked.start,
        };
        plan.profile = PROFILE.into();
        plan.load_env = search.load_env(search.start, STEP, GRACE, None);
        Ok(search)
    }

    /// What is about to be done.
    pub fn announcement(&self, plan: &plan::Plan, k6: &K6) -> String {
        format!(
            "searching how many {} {} can take: to {}, within {} for each test, with k6 {}",
            self.unit.words(),
            plan.tests.join(", "),
            share(self.resolution),
            short(self.budget),
            k6.version
        )
    }

    /// The variables for a step of load-tests/main.js. `iteration_s` is how long an iteration takes as far as is known.
    fn load_env(
        &self,
        load: u64,
        lasts: Duration,
        grace: Duration,
        iteration_s: Option<f64>,
    ) -> Vec<(&'static str, String)> {
        let mut env = vec![
            ("STEP_LOAD", load.to_string()),
            ("STEP_DURATION", format!("{}ms", lasts.as_millis())),
            ("STEP_GRACE", format!("{}ms", grace.max(GRACE).as_millis())),
        ];
        if self.unit == LoadUnit::IterationsPerSecond {
            let (ready, most) = users_for(load, iteration_s);
            env.push(("STEP_VUS", format!("{ready},{most}")));
        }
        env
    }

    fn options(&self, test: usize) -> Options {
        Options {
            start: self.start,
            most: MOST,
            resolution: self.resolution,
            budget_s: self.budget.as_secs_f64(),
            step_s: self.steps[test].as_secs_f64(),
            confirm_s: self.confirm.as_secs_f64(),
        }
    }
}

/// How many virtual users a rate needs at the start and at most, by how long an iteration takes (Little's law).
fn users_for(rate: u64, iteration_s: Option<f64>) -> (u64, u64) {
    let iteration_s = iteration_s.unwrap_or(1.0);
    let users = |seconds: f64| ((rate as f64 * seconds).ceil() as u64 + 1).clamp(1, MOST);
    (
        users(1.5 * iteration_s + HICCUP_S),
        users(2.0 * iteration_s + WAIT_S),
    )
}

/// A search under way.
struct Searching<'a> {
    search: &'a Plan,
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
        let lowest = steps.min_by_key(|step| step.load)?;
        lowest.iteration_ms.map(|ms| ms / 1e3)
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
            level: LEVEL,
            confirmed: self.finder.confirmed(),
            ended,
            cause: None,
        }
    }

    /// The test's record: the step that stands for it, just below the edge, or the least that failed; and the search.
    fn conclude(&self, planned: &TestRecord, ended: SearchEnd) -> TestRecord {
        let mut capacity = self.record(ended);
        let cause = capacity::cause(&capacity.steps, capacity.unit);
        // What ended the search is said already: other programs, and not the load generator.
        let is_said = |it: &CauseRecord| {
            matches!(capacity.ended, SearchEnd::Broken(_)) && capacity::is_generator(it)
        };
        capacity.cause = cause.filter(|it| !is_said(it));
        if capacity.cause.as_ref().is_some_and(capacity::is_generator) {
            capacity.interval.below = None;
            if capacity.ended == SearchEnd::ResolutionReached {
                capacity.ended = SearchEnd::Generator;
            }
        }
        let at_least = capacity.interval.at_least;
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
            SearchEnd::Generator if at_least == 0.0 => Outcome::CouldNotRun,
            _ if at_least == 0.0 => Outcome::Failed,
            _ => Outcome::Passed,
        };
        test.reasons = match outcome {
            Outcome::Passed => Vec::new(),
            _ => vec![format!("{}{more}", capacity.sentence())],
        };
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
        search: &Plan,
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
        search: &Plan,
        index: usize,
        server: &mut Option<Server>,
        binary: Option<&Path>,
    ) -> anyhow::Result<()> {
        let name = self.plan.tests[index].clone();
        let _group = github::group(&format!("{PROFILE} {name}"));
        let dir = self.folder.test_dir(&name)?;
        let mut searching = Searching {
            search,
            index,
            finder: Search::new(search.options(index)),
            made: Vec::new(),
            lost: 0,
        };
        let wrong = match server.as_ref() {
            Some(server) => self.probe(&name, server, &dir, "before")?,
            None => Vec::new(),
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
            match self.make_step(&mut searching, step, &dir, server, binary) {
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
        self.plan.load_env = search.load_env(step.load, lasts, grace, iteration_s);
        self.shapes[index] =
            self.plan
                .shape(&test, &self.k6.path, &self.config.main_js(), &self.options)?;
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
        let shape = self.shapes[index].lasts();
        let others = self.plan.tests.len() - index - 1;
        let making = Making {
            name: &name,
            place: Place {
                nth: index + 1,
                of: self.plan.tests.len(),
                before: search.budget.saturating_mul(index as u32) + (search.budget - left),
                lasts: shape,
                behind: left.saturating_sub(shape) + search.budget.saturating_mul(others as u32),
            },
            dir: &dir,
            test_id: &self.folder.name.clone(),
            is_step: true,
            is_probed: step.role == StepRole::ConfirmBelow,
        };
        let Tested {
            record,
            broken,
            beside_others,
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
        if outcome == StepOutcome::Generator && beside_others {
            searching.finder.lost(took_s);
            searching.lost += 1;
            let why = made.reasons.first().map_or("", String::as_str);
            let why = why.trim_start_matches("could not be measured: ").to_owned();
            searching.made.push((made, record));
            let is_vain = searching.lost >= MOST_LOST;
            return Ok(is_vain.then_some(SearchEnd::Broken(why)));
        }
        searching.lost = 0;
        searching.made.push((made, record));
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
        Ok(None)
    }
}

/// Whether a test failed for nothing but iterations that found no user free.
fn only_dropped(record: &TestRecord) -> bool {
    let dropped = record
        .metrics
        .as_ref()
        .is_some_and(|it| it.dropped_iterations > 0);
    dropped && record.reasons.len() == 1
}

/// What a step is for, in words.
fn purpose(role: StepRole) -> &'static str {
    match role {
        StepRole::Grow => "to find the edge",
        StepRole::Bisect => "to narrow it",
        StepRole::Repeat => "once more",
        StepRole::ConfirmBelow => "to confirm that it holds",
        StepRole::ConfirmAbove => "to confirm that it does not hold",
    }
}

/// What came of a step, in a line.
fn told(step: &StepRecord) -> String {
    let p95 = step
        .p95_ms
        .map(|ms| format!(", p95 {ms:.1} ms"))
        .unwrap_or_default();
    let figures = format!("{:.1} iterations a second{p95}", step.iterations_per_second);
    let why = step
        .reasons
        .first()
        .and_then(|why| why.lines().next())
        .unwrap_or_default();
    match step.outcome {
        StepOutcome::Held => format!("  held: {figures}"),
        StepOutcome::Failed => format!("  failed: {why} ({figures})"),
        StepOutcome::Generator => format!("  {why}"),
        StepOutcome::Broken => format!("  could not be measured: {why}"),
        StepOutcome::Interrupted => "  interrupted".into(),
    }
}

fn step_record(
    unit: LoadUnit,
    step: Step,
    outcome: StepOutcome,
    test: &TestRecord,
    resources: ResourcesRecord,
) -> StepRecord {
    let metrics = test.metrics.as_ref();
    let duration_s = test.duration_s.unwrap_or_default();
    let requests = metrics.and_then(|it| it.http_req_duration.as_ref());
    let iterations = metrics.map_or(0, |it| it.iterations) as f64;
    let iteration = metrics.and_then(|it| it.trends.get("iteration_duration"));
    // Within the ramp there are half of them.
    let (load, ramp_s) = (step.load as f64, RAMP.as_secs_f64());
    let mean = load * (ramp_s / 2.0 + step.seconds) / (ramp_s + step.seconds);
    StepRecord {
        load: step.load,
        role: step.role,
        outcome,
        reasons: test.reasons.clone(),
        duration_s,
        virtual_users: metrics.and_then(|it| it.vus_max).unwrap_or(test.max_vus),
        mean_users: (unit == LoadUnit::Users).then_some(mean),
        iterations_per_second: if duration_s > 0.0 {
            iterations / duration_s
        } else {
            0.0
        },
        requests_per_second: metrics.map_or(0.0, |it| it.http_requests_per_second),
        p50_ms: requests.and_then(|it| it.med),
        p95_ms: requests.and_then(|it| it.p95),
        p99_ms: requests.and_then(|it| it.p99),
        iteration_ms: iteration.and_then(|it| it.avg),
        failed_ratio: metrics.and_then(|it| it.http_failed_ratio),
        dropped_iterations: metrics.map_or(0, |it| it.dropped_iterations),
        resources,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a search says that `ended` so, when 20 users held and k6 took `k6_cpu` of the machine at 40, which failed.
    fn concluded(ended: SearchEnd, k6_cpu: f64) -> CapacityRecord {
        let search = Plan {
            unit: LoadUnit::Users,
            resolution: 0.05,
            budget: Duration::from_secs(600),
            confirm: Duration::from_secs(60),
            steps: vec![STEP],
            start: 20,
        };
        let mut searching = Searching {
            search: &search,
            index: 0,
            finder: Search::new(search.options(0)),
            made: Vec::new(),
            lost: 0,
        };
        let planned = TestRecord::planned("ask", 20, Vec::new());
        let answers = [
            (20, Answer::Held),
            (40, Answer::Failed),
            (40, Answer::Failed),
        ];
        for (load, answer) in answers {
            let (seconds, role) = (10.0, StepRole::Grow);
            let step = Step {
                load,
                seconds,
                role,
            };
            let outcome = match answer {
                Answer::Held => StepOutcome::Held,
                _ => StepOutcome::Failed,
            };
            let resources = ResourcesRecord {
                generator_cpu: Some(k6_cpu),
                ..ResourcesRecord::default()
            };
            let made = step_record(search.unit, step, outcome, &planned, resources);
            searching.finder.tell(step, answer, 12.0);
            searching.made.push((made, planned.clone()));
        }
        searching.conclude(&planned, ended).capacity.unwrap()
    }

    #[test]
    fn the_generators_edge_is_never_the_servers_however_the_search_ended() {
        for ended in [SearchEnd::Budget, SearchEnd::Interrupted] {
            let servers = concluded(ended.clone(), 0.2);
            assert!(servers.interval.below.is_some(), "{servers:?}");
            let generators = concluded(ended.clone(), 0.9);
            assert_eq!(generators.interval.below, None, "{generators:?}");
            assert_eq!(generators.ended, ended);
        }
        let whole = concluded(SearchEnd::ResolutionReached, 0.9);
        assert_eq!(whole.ended, SearchEnd::Generator);
    }
}
