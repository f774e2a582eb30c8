//! How much load a server withstands: every step of the search, what is known of the edge, and what gave way there.

use k6_summary::{Quantity, Unit};
pub use load_stats::capacity::Role as StepRole;
use load_stats::capacity::{Confirmed, LoadInterval};
use serde::{Deserialize, Serialize};

use super::share;

/// What a search for the capacity of one test found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CapacityRecord {
    /// What a load is counted in.
    pub unit: LoadUnit,
    /// The width of the interval, relative to its lower end, at which the search is content: 0.05 is 5 %.
    pub resolution: f64,
    /// How long the search may take, in seconds.
    pub budget_s: f64,
    /// How long a step makes its load, in seconds, beside the ramp to it.
    pub step_s: f64,
    /// How long a step that confirms makes it, in seconds.
    pub confirm_s: f64,
    /// Every step, in the order in which they were measured.
    pub steps: Vec<StepRecord>,
    /// Where the edge lies.
    pub interval: LoadInterval,
    /// The probability that it lies there, 0 to 1; 0 if nobody knows, since each step was believed at once.
    pub level: f64,
    /// What the longer steps at the end said.
    pub confirmed: Confirmed,
    /// Why the search ended.
    pub ended: SearchEnd,
    /// What gave way at the edge, if that is known.
    pub cause: Option<CauseRecord>,
}

/// What a load is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LoadUnit {
    /// Virtual users, each of whom waits for its answers before it goes on.
    Users,
    /// Iterations that begin each second, whether or not others have ended.
    IterationsPerSecond,
}

/// One step of a search: a load that was made once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StepRecord {
    /// The load, in the unit of the search.
    pub load: u64,
    /// What it was measured for.
    pub role: StepRole,
    /// What came of it.
    pub outcome: StepOutcome,
    /// Why it did not hold, in sentences, the first threshold that was crossed first.
    pub reasons: Vec<String>,
    /// How long load was made, in seconds, as k6 says.
    pub duration_s: f64,
    /// The most virtual users there were.
    pub virtual_users: u64,
    /// The users that there were on average by the plan, ramps included; `None` where the plan is of rates.
    #[serde(default)]
    pub mean_users: Option<f64>,
    /// Iterations that ended each second.
    pub iterations_per_second: f64,
    /// HTTP requests each second.
    pub requests_per_second: f64,
    /// The median of the duration of requests, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 95th percentile of it.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of it.
    pub p99_ms: Option<f64>,
    /// The mean duration of an iteration, in milliseconds.
    pub iteration_ms: Option<f64>,
    /// The share of failed requests, 0 to 1.
    pub failed_ratio: Option<f64>,
    /// Iterations that could not begin, since no virtual user was free.
    pub dropped_iterations: u64,
    /// What the server and the generator used meanwhile.
    #[serde(default)]
    pub resources: ResourcesRecord,
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// Every threshold, check and rule of evidence held.
    Held,
    /// One of them did not.
    Failed,
    /// The load generator or its machine was the limit: it says nothing of the server.
    Generator,
    /// It failed for another reason: k6 died, the server is gone.
    Broken,
    /// The user interrupted it.
    Interrupted,
}

/// Why a search ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// The edge is known as well as was asked.
    ResolutionReached,
    /// The budget was spent.
    Budget,
    /// The load generator can make no more load.
    Generator,
    /// A step could not be measured, and why.
    Broken(String),
    /// The user interrupted it.
    Interrupted,
}

/// What gave way at the edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CauseRecord {
    /// What was full, such as `server CPU`.
    pub what: String,
    /// How full it was, 0 to 1, if it has a known limit.
    pub share: Option<f64>,
    /// The whole of it, with numbers.
    pub sentence: String,
}

/// What the server and the load generator used during a step, while they were busiest; what is not known is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ResourcesRecord {
    /// This machine's cores.
    pub cores: Option<u64>,
    /// The share of all of this machine's cores that the server took in user mode, 0 to 1.
    pub server_user: Option<f64>,
    /// The share that it took in the kernel.
    pub server_system: Option<f64>,
    /// The server's threads, at most.
    pub threads: Option<u64>,
    /// The share of one core that its busiest thread took.
    pub busiest_thread: Option<f64>,
    /// What that thread is called.
    pub thread_name: Option<String>,
    /// The longest queue that the server itself reports.
    pub queue: Option<QueueRecord>,
    /// Flushes to disk each second, as the server itself reports.
    pub flushes_per_second: Option<f64>,
    /// Flushes of one page that its disk does each second when nobody else uses it.
    pub flushes_alone: Option<f64>,
    /// The share of the time in which the server was committing, flushes included; above 1 if it does so in several threads.
    pub committing: Option<f64>,
    /// The largest resident memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// How much more it was at the end than at the begin, in bytes.
    pub memory_growth_bytes: Option<u64>,
    /// The most open files.
    pub open_files: Option<u64>,
    /// How many it may have open.
    pub open_files_limit: Option<u64>,
    /// The most connections.
    pub connections: Option<u64>,
    /// The share of all cores that the load generator took.
    pub generator_cpu: Option<f64>,
    /// HTTP requests that it made for each second of one core.
    pub requests_per_core_second: Option<f64>,
    /// The share of all cores that was idle.
    pub machine_idle: Option<f64>,
}

/// A queue of the server's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct QueueRecord {
    /// What waits there, as `load-test.toml` calls it.
    pub of: String,
    /// How many.
    pub length: f64,
}

/// A capacity that runs are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Followed {
    /// What it is counted in.
    pub unit: LoadUnit,
    /// The middle of the interval with the edge.
    pub value: f64,
}

impl CapacityRecord {
    /// The number that is followed from run to run; none unless the edge is known as well as was asked.
    pub fn followed(&self) -> Option<Followed> {
        let below = self.interval.below?;
        let is_known = self.ended == SearchEnd::ResolutionReached && self.interval.at_least > 0.0;
        is_known.then(|| Followed {
            unit: self.unit,
            value: (self.interval.at_least * below).sqrt(),
        })
    }

    /// What searches must share for their numbers to be comparable. How long they may take does not change the number.
    pub fn conditions(&self) -> String {
        format!(
            "{}, to {}, steps of {} s, confirmed for {} s",
            self.unit.words(),
            share(self.resolution),
            self.step_s,
            self.confirm_s
        )
    }

    /// The load just above the edge that failed, and why: the one that confirms it, or the lowest.
    pub fn first_crossed(&self) -> Option<(u64, &str)> {
        let failed = |step: &&StepRecord| step.outcome == StepOutcome::Failed;
        let beyond = |step: &&StepRecord| step.load as f64 >= self.interval.at_least;
        let step = (self.steps.iter().filter(failed).filter(beyond))
            .min_by_key(|it| (it.role != StepRole::ConfirmAbove, it.load))?;
        Some((step.load, step.reasons.first()?.lines().next()?))
    }

    /// The load that it holds, in a few words.
    pub fn answer(&self) -> String {
        let LoadInterval { at_least, below } = self.interval;
        let words = |load| self.unit.counted(load);
        match below {
            Some(below) if at_least == 0.0 => format!("less than {}", words(below)),
            Some(below) if below - at_least <= 1.0 => words(at_least),
            Some(below) => format!("{} to {}", amount(at_least), words(below)),
            None if at_least == 0.0 => "unknown".into(),
            None => format!("at least {}", words(at_least)),
        }
    }

    /// What is known, in a sentence, and what was first crossed just above it.
    pub fn sentence(&self) -> String {
        let crossed = self.first_crossed();
        let crossed =
            crossed.map(|(load, why)| format!("; at {} first crossed: {why}", amount(load as f64)));
        format!("{}{}", self.known(), crossed.unwrap_or_default())
    }

    /// What is known, in a few words.
    pub fn known(&self) -> String {
        let LoadInterval { at_least, below } = self.interval;
        let is_none = at_least == 0.0;
        let known = match below {
            Some(below) if is_none && below <= 1.0 => {
                format!("does not even hold {}", self.unit.counted(1.0))
            }
            Some(below) if is_none && self.ended == SearchEnd::Budget => {
                format!("fails with {} already", self.unit.counted(below))
            }
            Some(_) if !is_none && self.level > 0.0 => {
                format!("holds {} ({})", self.answer(), share(self.level))
            }
            None if is_none => "has no load that is known to hold".into(),
            _ => format!("holds {}", self.answer()),
        };
        let ended = match &self.ended {
            SearchEnd::ResolutionReached => String::new(),
            SearchEnd::Budget if is_none => {
                " when the time was up: give a lower --start or longer --budget".into()
            }
            SearchEnd::Budget => ", when the time was up".into(),
            SearchEnd::Generator => "; this machine cannot ask for more".into(),
            SearchEnd::Broken(why) => {
                let why = why.lines().next().unwrap_or_default();
                match is_none {
                    true => return why.into(),
                    false => format!("; then {why}"),
                }
            }
            SearchEnd::Interrupted => ", when it was interrupted".into(),
        };
        format!("{known}{ended}")
    }
}

fn amount(load: f64) -> String {
    Quantity::new(load, Unit::Count).to_string()
}

impl LoadUnit {
    /// What a load is counted in, as `--rate` says.
    pub fn by_rate(rate: bool) -> Self {
        match rate {
            true => Self::IterationsPerSecond,
            false => Self::Users,
        }
    }

    /// What loads are counted in, in words: `users`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::IterationsPerSecond => "iterations a second",
        }
    }

    /// So much load in words: `1 user`, `340 iterations a second`.
    pub fn counted(self, load: f64) -> String {
        let words = match (self, load) {
            (Self::Users, 1.0) => "user",
            (Self::IterationsPerSecond, 1.0) => "iteration a second",
            _ => self.words(),
        };
        format!("{} {words}", amount(load))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at_least: f64, below: Option<f64>, ended: SearchEnd) -> CapacityRecord {
        let step = |load, outcome, reasons: &[&str]| StepRecord {
            load,
            role: StepRole::Bisect,
            outcome,
            reasons: reasons.iter().map(|&it| it.to_owned()).collect(),
            duration_s: 10.0,
            virtual_users: load,
            mean_users: None,
            iterations_per_second: 1.0,
            requests_per_second: 1.0,
            p50_ms: None,
            p95_ms: None,
            p99_ms: None,
            iteration_ms: None,
            failed_ratio: None,
            dropped_iterations: 0,
            resources: ResourcesRecord::default(),
        };
        CapacityRecord {
            unit: LoadUnit::Users,
            resolution: 0.05,
            budget_s: 600.0,
            step_s: 10.0,
            confirm_s: 60.0,
            steps: vec![
                step(640, StepOutcome::Failed, &["p95 of requests is 900 ms"]),
                step(320, StepOutcome::Held, &[]),
                step(
                    352,
                    StepOutcome::Failed,
                    &["p95 of requests is 512 ms\n  more"],
                ),
            ],
            interval: LoadInterval { at_least, below },
            level: 0.95,
            confirmed: Confirmed::default(),
            ended,
            cause: None,
        }
    }

    #[test]
    fn it_is_said_in_one_sentence() {
        use SearchEnd::{Broken, Budget, Generator, Interrupted, ResolutionReached};
        let crossed = "; at 352 first crossed: p95 of requests is 512 ms";
        for (at_least, below, ended, said) in [
            (
                340.0,
                Some(356.0),
                ResolutionReached,
                "holds 340 to 356 users (95 %)",
            ),
            (1.0, Some(2.0), ResolutionReached, "holds 1 user (95 %)"),
            (
                0.0,
                Some(1.0),
                ResolutionReached,
                "does not even hold 1 user",
            ),
            (
                320.0,
                Some(640.0),
                Budget,
                "holds 320 to 640 users (95 %), when the time was up",
            ),
            (
                0.0,
                Some(25.0),
                Budget,
                "fails with 25 users already when the time was up: give a lower --start or longer --budget",
            ),
            (
                320.0,
                None,
                Generator,
                "holds at least 320 users; this machine cannot ask for more",
            ),
            (
                0.0,
                None,
                Interrupted,
                "has no load that is known to hold, when it was interrupted",
            ),
            (
                320.0,
                None,
                Interrupted,
                "holds at least 320 users, when it was interrupted",
            ),
            (
                320.0,
                None,
                Broken("it ended\n  log".into()),
                "holds at least 320 users; then it ended",
            ),
        ] {
            let record = record(at_least, below, ended);
            assert_eq!(record.sentence(), format!("{said}{crossed}"));
        }
    }

    #[test]
    fn only_an_edge_that_is_known_is_followed() {
        let value = |at_least, below, ended| {
            let followed = record(at_least, below, ended).followed();
            followed.map(|it| it.value)
        };
        let known = value(100.0, Some(121.0), SearchEnd::ResolutionReached);
        assert!((known.unwrap() - 110.0).abs() < 1e-9);
        assert_eq!(value(100.0, Some(121.0), SearchEnd::Budget), None);
        assert_eq!(value(100.0, None, SearchEnd::Generator), None);
        assert_eq!(value(0.0, Some(1.0), SearchEnd::ResolutionReached), None);
    }
}
