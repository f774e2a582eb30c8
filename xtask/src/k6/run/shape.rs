//! The load that a test will make, as k6 itself understands the options.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;

use super::duration::short;
use super::options::Options;
use super::scenario::{Executor, Scenario, Stage, Stretch, optional, users};
use super::threshold::Threshold;
use crate::record::StageRecord;
use crate::secret::Secret;
use crate::shell::{self, Cmd, cmd};

/// `k6 inspect` runs only the script's top level.
const LIMIT: Duration = Duration::from_secs(30);
/// How long k6 lets `setup` and `teardown` take, each, unless the script says otherwise.
const SETUP_LIMIT: Duration = Duration::from_secs(60);

/// The load of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The most virtual users at once.
    pub max_vus: u64,
    /// The virtual users over time, all scenarios together; empty if the plan does not tell, as with rates.
    pub stages: Vec<Stage>,
    /// The longest that the test may take: `setup`, the load, the time for the last iterations to end, `teardown`.
    pub at_most: Duration,
    /// The longest that `teardown` may take.
    pub teardown_limit: Duration,
    /// The tags of every sample.
    pub tags: BTreeMap<String, String>,
    /// What the script exports and load-tests/main.js does not use, such as its own `scenarios`.
    pub ignored: Vec<String>,
    /// Whether a threshold says how long something may take.
    pub limits_durations: bool,
    /// The least that an iteration takes by its own settings.
    iteration: Duration,
    scenarios: BTreeMap<String, Scenario>,
}

/// The level of each scenario at the begin and end of a stretch.
type Levels = Vec<Option<(f64, f64)>>;

/// What `k6 inspect --execution-requirements` prints, as far as it is read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inspected {
    #[serde(deserialize_with = "optional")]
    total_duration: Option<Duration>,
    #[serde(rename = "maxVUs")]
    max_vus: u64,
    #[serde(default)]
    scenarios: BTreeMap<String, Scenario>,
    #[serde(default, deserialize_with = "optional")]
    setup_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    teardown_timeout: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    min_iteration_duration: Option<Duration>,
    #[serde(default)]
    no_setup: Option<bool>,
    #[serde(default)]
    no_teardown: Option<bool>,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    thresholds: Option<BTreeMap<String, Vec<Threshold>>>,
    #[serde(default)]
    ext: Option<Ext>,
}

/// k6 leaves `ext` to others: load-tests/main.js says there what k6 cannot.
#[derive(Default, Deserialize)]
struct Ext {
    #[serde(default)]
    load_test: LoadTestExt,
}

#[derive(Default, Deserialize)]
struct LoadTestExt {
    #[serde(default)]
    ignored: Vec<String>,
}

/// Asks k6 for the load that `main_js` makes with the variables `env` and the user's `options`; the script sees what it
/// will see in the run.
///
/// # Errors
/// If k6 finds fault with the script; its words are in the message.
pub fn inspect(
    k6: &Path,
    main_js: &Path,
    env: &[(&str, String)],
    key: &Secret,
    options: &Options,
) -> anyhow::Result<Shape> {
    let config = options.config_file()?;
    let config = config.path();
    let sh = shell::here()?;
    let command = cmd!(
        sh,
        "{k6} inspect --execution-requirements --include-system-env-vars --config {config} {main_js}"
    );
    let mut command = options.environment(command).env("API_KEY", key.expose());
    for (name, value) in env {
        command = command.env(name, value);
    }
    inspect_with(command, main_js)
}

/// As [`inspect`] of `main_js`, by a command of one's own.
pub(super) fn inspect_with(command: Cmd<'_>, main_js: &Path) -> anyhow::Result<Shape> {
    let failure = format!("k6 cannot read {}", main_js.display());
    let text = shell::output(command, LIMIT, &failure)?;
    shape(&text).with_context(|| {
        format!(
            "failed to understand what k6 inspect says about {}",
            main_js.display()
        )
    })
}

fn shape(text: &str) -> anyhow::Result<Shape> {
    let inspected: Inspected = serde_json::from_str(text)?;
    let load = inspected.total_duration.context("k6 gives no duration")?;
    let limit = |none: Option<bool>, limit: Option<Duration>| match none {
        Some(true) => Duration::ZERO,
        _ => limit.unwrap_or(SETUP_LIMIT),
    };
    let setup = limit(inspected.no_setup, inspected.setup_timeout);
    let teardown_limit = limit(inspected.no_teardown, inspected.teardown_timeout);
    let scenarios = inspected.scenarios;
    let thresholds = inspected.thresholds.unwrap_or_default();
    Ok(Shape {
        max_vus: inspected.max_vus,
        stages: user_stages(&scenarios),
        at_most: setup + load + teardown_limit,
        teardown_limit,
        tags: inspected.tags.unwrap_or_default(),
        ignored: inspected.ext.unwrap_or_default().load_test.ignored,
        limits_durations: thresholds.values().flatten().any(Threshold::limits_a_trend),
        iteration: inspected.min_iteration_duration.unwrap_or_default(),
        scenarios,
    })
}

/// The virtual users of all scenarios together, as stages; a jump is a stage without a duration.
fn user_stages(scenarios: &BTreeMap<String, Scenario>) -> Vec<Stage> {
    if !scenarios.values().all(Scenario::counts_users) {
        return Vec::new();
    }
    let stretches: Vec<_> = scenarios.values().filter_map(Scenario::stretches).collect();
    let times = borders(&stretches);
    let mut stages = Vec::new();
    let mut before = None;
    for pair in times.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (begin, end) = stretches
            .iter()
            .filter_map(|one| within(one, from, to))
            .fold((0.0, 0.0), |sum, level| (sum.0 + level.0, sum.1 + level.1));
        if before.is_some_and(|before: f64| (before - begin).abs() > 1e-9) {
            stages.push(stage(0.0, begin));
        }
        stages.push(stage(to - from, end));
        before = Some(end);
    }
    stages
}

fn stage(seconds: f64, level: f64) -> Stage {
    Stage {
        duration: Duration::from_secs_f64(seconds.max(0.0)),
        target: level.round() as u64,
    }
}

/// When a stretch of any scenario begins or ends, in order.
fn borders(scenarios: &[Vec<Stretch>]) -> Vec<f64> {
    let stretches = scenarios.iter().flatten();
    let mut times: Vec<f64> = stretches
        .flat_map(|stretch| [stretch.time.0, stretch.time.1])
        .collect();
    times.sort_by(f64::total_cmp);
    times.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
    times
}

/// The level of a scenario at the begin and end of a time between two neighbouring borders.
fn within(stretches: &[Stretch], from: f64, to: f64) -> Option<(f64, f64)> {
    let middle = (from + to) / 2.0;
    let stretch = stretches
        .iter()
        .find(|stretch| (stretch.time.0..stretch.time.1).contains(&middle))?;
    let at = |time: f64| {
        let share = (time - stretch.time.0) / (stretch.time.1 - stretch.time.0);
        stretch.level.0 + (stretch.level.1 - stretch.level.0) * share
    };
    Some((at(from), at(to)))
}

impl From<&Stage> for StageRecord {
    fn from(stage: &Stage) -> Self {
        Self {
            duration_s: stage.duration.as_secs_f64(),
            target: stage.target,
        }
    }
}

impl Shape {
    /// How long load is made; of iterations that are counted, half a minute at most.
    pub fn duration(&self) -> Duration {
        let ends = self
            .scenarios
            .values()
            .map(|one| one.start() + one.duration());
        ends.max().unwrap_or_default()
    }

    /// How long it takes until the last iterations have ended, if each takes the least that it may: those of constant
    /// users follow each other without a pause, and others may begin as the load ends.
    pub fn lasts(&self) -> Duration {
        let each = self.iteration.as_secs_f64();
        let ends = self.scenarios.values().map(|one| match one.executor {
            _ if each == 0.0 => one.start() + one.duration(),
            Executor::ConstantVus { duration, .. } => {
                let rounds = (duration.as_secs_f64() / each).ceil();
                one.start() + self.iteration.mul_f64(rounds)
            }
            _ => one.start() + one.duration() + self.iteration,
        });
        ends.max().unwrap_or_default()
    }

    /// The longest stretch of constant load: from when to when, in seconds since the start. `None` if there is none, or
    /// the plan does not tell.
    pub fn hold(&self) -> Option<(f64, f64)> {
        let stretches: Option<Vec<_>> = self.scenarios.values().map(Scenario::stretches).collect();
        let stretches = stretches?;
        let mut holds: Vec<(f64, f64, Levels)> = Vec::new();
        for pair in borders(&stretches).windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let levels: Levels = stretches.iter().map(|one| within(one, from, to)).collect();
            let constant = levels.iter().flatten().all(|(begin, end)| begin == end);
            if !constant || levels.iter().flatten().all(|(level, _)| *level == 0.0) {
                continue;
            }
            match holds.last_mut() {
                Some((_, end, same)) if *end == from && *same == levels => *end = to,
                _ => holds.push((from, to, levels)),
            }
        }
        let longest = holds
            .into_iter()
            .reduce(|a, b| if b.1 - b.0 > a.1 - a.0 { b } else { a });
        longest.map(|(from, to, _)| (from, to))
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load_in_words(f)?;
        let later = self.lasts().saturating_sub(self.duration());
        match later.is_zero() {
            true => Ok(()),
            false => write!(
                f,
                ", and {} more until the last iterations of {} have ended",
                short(later),
                short(self.iteration)
            ),
        }
    }
}

impl Shape {
    fn load_in_words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut scenarios = self.scenarios.iter();
        let (Some((_, one)), None) = (scenarios.next(), scenarios.next()) else {
            write!(
                f,
                "up to {} in {}",
                users(self.max_vus),
                short(self.duration())
            )?;
            for (index, (name, scenario)) in self.scenarios.iter().enumerate() {
                let mark = if index == 0 { ":" } else { ";" };
                write!(f, "{mark} {name} {}", scenario.words())?;
            }
            return Ok(());
        };
        f.write_str(&one.words())?;
        match one.names_users() {
            true => Ok(()),
            false => write!(f, ", up to {}", users(self.max_vus)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRESS: &str = r#"{"stages":null,"scenarios":{"default":{"executor":"ramping-vus","startVUs":null,
        "stages":[{"duration":"2m0s","target":10},{"duration":"5m0s","target":50},{"duration":"2m0s","target":100},
        {"duration":"5m0s","target":100},{"duration":"5m0s","target":0}]}},"totalDuration":"19m30s","maxVUs":100,
        "setupTimeout":null}"#;

    fn of(scenarios: &str, max_vus: u64) -> Shape {
        let text = format!(
            r#"{{"scenarios":{{{scenarios}}},"totalDuration":"36s","maxVUs":{max_vus},"setupTimeout":"5m0s"}}"#
        );
        shape(&text).unwrap()
    }

    fn steps(shape: &Shape) -> Vec<(f64, u64)> {
        let stages = shape.stages.iter();
        stages
            .map(|stage| (stage.duration.as_secs_f64(), stage.target))
            .collect()
    }

    #[test]
    fn reads_stages() {
        let shape = shape(STRESS).unwrap();
        assert_eq!((shape.max_vus, shape.stages.len()), (100, 5));
        assert_eq!(shape.duration(), Duration::from_secs(19 * 60));
        // k6's own minute for `setup` and for `teardown` comes on top.
        assert_eq!(shape.at_most, Duration::from_secs(21 * 60 + 30));
        assert_eq!(
            shape.to_string(),
            "up to 100 virtual users in 19 min: to 10 in 2 min, to 50 in 5 min, to 100 in 2 min, to 100 in 5 min, to 0 in 5 min"
        );
        assert_eq!(shape.hold(), Some((540.0, 840.0)));
    }

    #[test]
    fn reads_a_constant_load() {
        let shape = of(
            r#""default":{"executor":"constant-vus","vus":1,"duration":"30s"}"#,
            1,
        );
        assert_eq!(shape.to_string(), "1 virtual user for 30 s");
        assert_eq!(shape.hold(), Some((0.0, 30.0)));
        assert_eq!(steps(&shape), [(30.0, 1)]);
        assert_eq!(shape.at_most, Duration::from_secs(300 + 36 + 60));
    }

    #[test]
    fn long_iterations_end_after_the_load() {
        let of = |load: &str| {
            let text = format!(
                r#"{{"scenarios":{{"default":{load}}},"totalDuration":"65s","maxVUs":1,"minIterationDuration":"30s"}}"#
            );
            shape(&text).unwrap()
        };
        let constant = |duration: &str| {
            let duration =
                format!(r#"{{"executor":"constant-vus","vus":1,"duration":"{duration}"}}"#);
            of(&duration)
        };
        for (load, lasts) in [("3s", 30), ("30s", 30), ("31s", 60)] {
            assert_eq!(constant(load).lasts(), Duration::from_secs(lasts), "{load}");
        }
        assert_eq!(constant("30s").to_string(), "1 virtual user for 30 s");
        assert_eq!(
            constant("3s").to_string(),
            "1 virtual user for 3 s, and 27 s more until the last iterations of 30 s have ended"
        );
        let ramp = of(
            r#"{"executor":"ramping-vus","startVUs":1,"stages":[{"duration":"9m0s","target":2}]}"#,
        );
        assert_eq!(ramp.lasts(), Duration::from_secs(570));
    }

    #[test]
    fn rates_are_no_users() {
        let constant = of(
            r#""api":{"executor":"constant-arrival-rate","startTime":null,"rate":20,"timeUnit":"1s","duration":"6s"}"#,
            10,
        );
        assert_eq!(
            constant.to_string(),
            "20 iterations a second for 6 s, up to 10 virtual users"
        );
        assert_eq!(constant.hold(), Some((0.0, 6.0)));
        assert!(constant.stages.is_empty());
        assert_eq!(constant.duration(), Duration::from_secs(6));
        let ramping = of(
            r#""api":{"executor":"ramping-arrival-rate","startRate":5,"timeUnit":"1m0s","stages":
               [{"duration":"3s","target":200},{"duration":"3s","target":200}]}"#,
            10,
        );
        assert_eq!(
            ramping.to_string(),
            "up to 200 iterations each 1 min in 6 s: to 200 in 3 s, to 200 in 3 s, up to 10 virtual users"
        );
        assert_eq!(ramping.hold(), Some((3.0, 6.0)));
    }

    #[test]
    fn iterations_may_be_counted() {
        let shared = of(
            r#""default":{"executor":"shared-iterations","vus":2,"iterations":20,"maxDuration":null}"#,
            2,
        );
        assert_eq!(shared.to_string(), "20 iterations by 2 virtual users");
        assert_eq!(shared.hold(), None);
        let each = of(
            r#""default":{"executor":"per-vu-iterations","vus":2,"iterations":20,"maxDuration":"10s"}"#,
            2,
        );
        assert!(
            each.to_string()
                .starts_with("20 iterations by each of 2 virtual users")
        );
        assert_eq!(each.duration(), Duration::from_secs(10));
    }

    #[test]
    fn scenarios_that_overlap_add_up() {
        let both = of(
            r#""writers":{"executor":"constant-vus","vus":2,"duration":"4s"},
               "readers":{"executor":"constant-vus","vus":3,"duration":"4s","startTime":"1s"}"#,
            5,
        );
        assert_eq!(
            both.to_string(),
            "up to 5 virtual users in 5 s: readers 3 virtual users for 4 s, after 1 s; writers 2 virtual users for 4 s"
        );
        assert_eq!(
            steps(&both),
            [(1.0, 2), (0.0, 5), (3.0, 5), (0.0, 3), (1.0, 3)]
        );
        assert_eq!(both.hold(), Some((1.0, 4.0)));
        assert_eq!(both.duration(), Duration::from_secs(5));
    }

    #[test]
    fn an_executor_that_nobody_knows_is_no_fault() {
        let unknown = of(r#""api":{"executor":"externally-controlled","vus":2}"#, 7);
        assert!(unknown.to_string().ends_with("up to 7 virtual users"));
        assert_eq!(unknown.hold(), None);
    }

    #[test]
    fn reads_tags_and_what_is_ignored() {
        let text = r#"{"scenarios":{},"totalDuration":"1s","maxVUs":1,"tags":{"project":"p"},"noSetup":true,"noTeardown":true,
            "ext":{"load_test":{"ignored":["scenarios"]}}}"#;
        let shape = shape(text).unwrap();
        assert_eq!(shape.ignored, ["scenarios"]);
        assert_eq!(shape.at_most, Duration::from_secs(1));
        assert_eq!(shape.tags["project"], "p");
    }
}
