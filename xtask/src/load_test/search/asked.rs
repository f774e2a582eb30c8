//! What a search is asked to do, and the variables that make its steps.

use std::time::Duration;

use load_stats::capacity::{Options, takes_s};

use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{K6, Shape, short};
use crate::record::{LoadUnit, share};
use crate::{cli, plan};

/// The profile in load-tests/main.js that makes a step's load, and the name of such runs.
pub const PROFILE: &str = "capacity";
/// How long a step makes its load if nobody says otherwise.
pub const STEP: Duration = Duration::from_secs(10);
/// How long the last iterations of a step may take at least.
const GRACE: Duration = Duration::from_secs(5);
/// Steps that a budget must have room for: up, up again and once more.
const FEWEST_STEPS: u32 = 3;
/// How far above the first load an edge is that the budget should suffice to find.
const FAR: u64 = 8;
/// What a step takes beside its load, at a guess.
const AROUND_A_STEP: Duration = Duration::from_secs(3);
/// The greatest load that is asked for: k6 has no room for more virtual users on one machine.
pub const MOST: u64 = 50_000;
/// How long an iteration may take under a rate, beside what it takes when the server is idle, before no user is free.
const WAIT_S: f64 = 5.0;
/// For how long everything may stand still before users must be made, which takes k6 so long that iterations are dropped.
const HICCUP_S: f64 = 0.25;

/// A checked command line.
#[derive(Debug, Clone)]
pub struct SearchPlan {
    pub(super) unit: LoadUnit,
    pub(super) resolution: f64,
    /// For each test.
    pub(super) budget: Duration,
    pub(super) confirm: Duration,
    /// How long a step of each test makes its load.
    pub(super) steps: Vec<Duration>,
    pub(super) start: u64,
    /// The factor by which the load grows, if each step is believed at once.
    pub(super) once: Option<f64>,
    /// How long an iteration takes, in seconds, if that is known before the first step.
    pub(super) iteration_s: Option<f64>,
}

impl SearchPlan {
    /// Checks the command line of a search in `tests`.
    ///
    /// # Errors
    /// A [`UsageError`] if the budget has no room for a search.
    pub fn new(asked: &cli::Search, tests: &[String], config: &Config) -> Result<Self, UsageError> {
        let step = |test: &String| {
            let least = STEP.max(2 * config.longest_iteration(test));
            asked.step.unwrap_or(least)
        };
        let steps: Vec<Duration> = tests.iter().map(step).collect();
        let count = u32::try_from(steps.len()).unwrap_or(u32::MAX).max(1);
        let budget = asked.budget / count;
        let longest = steps.iter().max().copied().unwrap_or_default();
        let steps_take = (longest + AROUND_A_STEP) * FEWEST_STEPS;
        let confirmed = longest + asked.confirm.max(longest) + 2 * AROUND_A_STEP;
        let need = steps_take.max(confirmed);
        if budget < need {
            let (what, shorter) = match steps_take < confirmed {
                true => ("a step and --confirm".into(), "--confirm"),
                false => (format!("{FEWEST_STEPS} steps"), "--step"),
            };
            return Err(UsageError(format!(
                "--budget leaves {} for each test, and {what} take {}: give at least --budget {}s, name fewer tests, or make {shorter} shorter",
                short(budget),
                short(need),
                (need * count).as_secs_f64().ceil()
            )));
        }
        Ok(Self {
            unit: LoadUnit::by_rate(asked.rate),
            resolution: asked.resolution,
            budget,
            confirm: asked.confirm,
            steps,
            start: asked.start,
            once: None,
            iteration_s: None,
        })
    }

    /// The variables for the first load.
    pub fn first_load(&self) -> Vec<(&'static str, String)> {
        self.load_env(self.start, STEP, GRACE, None)
    }

    /// What is about to be done.
    pub fn announcement(&self, plan: &plan::Plan, k6: &K6) -> String {
        format!(
            "searching how many {} {} can take: to {}, within {}, with k6 {}",
            self.unit.words(),
            plan.tests.join(", "),
            share(self.resolution),
            self.time(plan.tests.len()),
            k6.version
        )
    }

    /// What each of so many tests has.
    fn time(&self, tests: usize) -> String {
        let budget = short(self.budget);
        match tests {
            1 => budget,
            _ => format!("{budget} for each of {tests} tests"),
        }
    }

    /// What is to be known of the answer beforehand, in sentences: for which of `tests` nothing bounds how long requests
    /// take, by their `shapes`, and whether the time is too short.
    pub fn warnings(&self, tests: &[String], shapes: &[Shape]) -> Vec<String> {
        let shapes = tests.iter().zip(shapes);
        let unbounded = shapes.filter(|(_, shape)| !shape.limits_durations);
        let unbounded = unbounded.map(|(test, _)| format!(
            "{test}: no threshold says what is too slow, so the search goes on until requests or checks fail or this machine gives way"
        ));
        let far = (self.start * FAR).min(MOST);
        let takes = |test| takes_s(self.options(test), far);
        let takes = (0..tests.len()).map(takes).fold(0.0, f64::max);
        let takes = Duration::from_secs_f64(takes.ceil());
        let is_short = (takes > self.budget).then(|| format!(
            "{} is little time: to find and confirm an edge of {} takes about {}, and in less the interval stays wider; give --budget {}s",
            self.time(tests.len()),
            self.unit.counted(far as f64),
            short(takes),
            takes.as_secs() * tests.len() as u64
        ));
        unbounded.chain(is_short).collect()
    }

    /// The variables for a step of load-tests/main.js. `iteration_s` is how long an iteration takes as far as is known.
    pub fn load_env(
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

    pub fn options(&self, test: usize) -> Options {
        Options {
            start: self.start,
            most: MOST,
            resolution: self.resolution,
            budget_s: self.budget.as_secs_f64(),
            step_s: self.steps[test].as_secs_f64(),
            confirm_s: self.confirm.as_secs_f64(),
            once: self.once,
        }
    }
}

/// How many virtual users a rate needs at the start and at most, by how long an iteration takes (Little's law).
pub fn users_for(rate: u64, iteration_s: Option<f64>) -> (u64, u64) {
    let iteration_s = iteration_s.unwrap_or(1.0);
    let users = |seconds: f64| ((rate as f64 * seconds).ceil() as u64 + 1).clamp(1, MOST);
    (
        users(1.5 * iteration_s + HICCUP_S),
        users(2.0 * iteration_s + WAIT_S),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Command, Load, parse_from};
    use crate::config::testing::ours;

    fn searches(line: &str) -> Result<(SearchPlan, Vec<String>), UsageError> {
        let config = ours();
        let words = format!("xtask capacity {line}");
        let Command::Capacity(args) = parse_from(Some(&config), words.split_whitespace())
            .unwrap()
            .command
        else {
            panic!("not a search: {line}")
        };
        let load = Load {
            tests: args.tests,
            to: args.to,
            time_scale: 1.0,
            vus_scale: 1.0,
            profile: None,
        };
        let plan = plan::Plan::new(&load, &args.running, &config)?;
        let search = SearchPlan::new(&args.search, &plan.tests, &config)?;
        Ok((search, plan.tests))
    }

    #[test]
    fn a_budget_must_have_room_for_what_it_confirms() {
        for (line, words) in [
            (
                "health --budget 30s --confirm 1s",
                ["3 steps take 39 s", "--budget 39s", "--step"],
            ),
            (
                "health --budget 1m",
                [
                    "a step and --confirm take 1 min 16 s",
                    "--budget 76s",
                    "--confirm",
                ],
            ),
            (
                "health specs --confirm 11m",
                ["leaves 5 min for each", "--budget 1352s", "--confirm"],
            ),
        ] {
            let error = searches(line).expect_err(line).to_string();
            for words in words {
                assert!(error.contains(words), "{line}: {error}");
            }
        }
        for line in [
            "",
            "health --budget 76s",
            "health --budget 15s --step 2s --confirm 2s",
        ] {
            assert!(searches(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn too_little_time_for_each_test_is_said_with_what_it_would_take() {
        let said = |line| {
            let (search, tests) = searches(line).unwrap();
            search.warnings(&tests, &[])
        };
        assert_eq!(said("health"), Vec::<String>::new());
        let all = said("");
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(
            all[0].starts_with("3 min 20 s for each of 3 tests is little time"),
            "{all:?}"
        );
        assert!(
            all[0].contains("an edge of 80 users takes about "),
            "{all:?}"
        );
        // With what it asks for it has nothing to say.
        let budget = all[0].rsplit(' ').next().unwrap();
        assert_eq!(said(&format!("--budget {budget}")), Vec::<String>::new());
    }
}
