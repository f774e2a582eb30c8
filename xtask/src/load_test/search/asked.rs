//! What a search is asked to do, and the variables that make its steps.

use std::time::Duration;

use load_stats::capacity::Options;

use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{K6, short};
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
pub struct Plan {
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
            once: None,
            iteration_s: None,
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
