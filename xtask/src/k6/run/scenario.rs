//! One scenario of k6's plan, by its executor.
//!
//! Source: <https://grafana.com/docs/k6/latest/using-k6/scenarios/executors/>.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::duration::short;
use crate::record::plural;

/// How long iterations that are counted take, as far as the length of load matters before it is known.
const COUNTED: Duration = Duration::from_secs(30);

/// A scenario as `k6 inspect` prints it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Scenario {
    /// Its executor.
    #[serde(flatten)]
    pub executor: Executor,
    /// When it begins, since the start of the test.
    #[serde(rename = "startTime", default, deserialize_with = "optional")]
    pub start: Option<Duration>,
}

/// How a scenario makes its load.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    tag = "executor",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Executor {
    /// So many virtual users for so long.
    ConstantVus {
        /// The virtual users; k6's default is one.
        vus: Option<u64>,
        /// How long.
        #[serde(deserialize_with = "required")]
        duration: Duration,
    },
    /// Virtual users that become more and fewer.
    RampingVus {
        /// The virtual users at first; k6's default is one.
        #[serde(rename = "startVUs")]
        start_vus: Option<u64>,
        /// The stages in order.
        stages: Vec<Stage>,
    },
    /// So many iterations in each unit of time.
    ConstantArrivalRate {
        /// How many.
        rate: u64,
        /// The unit of time; k6's default is a second.
        #[serde(default, deserialize_with = "optional")]
        time_unit: Option<Duration>,
        /// How long.
        #[serde(deserialize_with = "required")]
        duration: Duration,
    },
    /// A rate that becomes higher and lower.
    RampingArrivalRate {
        /// The rate at first.
        start_rate: Option<u64>,
        /// The unit of time; k6's default is a second.
        #[serde(default, deserialize_with = "optional")]
        time_unit: Option<Duration>,
        /// The stages in order; targets are rates.
        stages: Vec<Stage>,
    },
    /// So many iterations, whoever makes them.
    SharedIterations {
        /// The virtual users; k6's default is one.
        vus: Option<u64>,
        /// The iterations; k6's default is one.
        iterations: Option<u64>,
        /// The longest that they may take; k6's default is ten minutes.
        #[serde(default, deserialize_with = "optional")]
        max_duration: Option<Duration>,
    },
    /// So many iterations for each virtual user.
    PerVuIterations {
        /// The virtual users; k6's default is one.
        vus: Option<u64>,
        /// The iterations; k6's default is one.
        iterations: Option<u64>,
        /// The longest that they may take; k6's default is ten minutes.
        #[serde(default, deserialize_with = "optional")]
        max_duration: Option<Duration>,
    },
    /// Anything else: nothing is known of its load.
    #[serde(other)]
    Unknown,
}

/// One stage: within `duration` the number of virtual users, or the rate, moves to `target`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, Deserialize)]
pub struct Stage {
    /// How long it takes.
    #[serde(deserialize_with = "required")]
    pub duration: Duration,
    /// What there is at its end.
    pub target: u64,
}

/// A stretch of a scenario, in seconds since the start of the test, with what there is at its begin and end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// When it begins and ends.
    pub time: (f64, f64),
    /// The virtual users or the rate then.
    pub level: (f64, f64),
}

impl Scenario {
    /// When it begins, since the start of the test.
    pub fn start(&self) -> Duration {
        self.start.unwrap_or_default()
    }

    /// How long it makes load.
    pub fn duration(&self) -> Duration {
        match &self.executor {
            Executor::ConstantVus { duration, .. }
            | Executor::ConstantArrivalRate { duration, .. } => *duration,
            Executor::RampingVus { stages, .. } | Executor::RampingArrivalRate { stages, .. } => {
                stages.iter().map(|stage| stage.duration).sum()
            }
            Executor::SharedIterations { max_duration, .. }
            | Executor::PerVuIterations { max_duration, .. } => {
                max_duration.map_or(COUNTED, |most| most.min(COUNTED))
            }
            Executor::Unknown => COUNTED,
        }
    }

    /// Whether it says its load in virtual users.
    pub fn counts_users(&self) -> bool {
        matches!(
            self.executor,
            Executor::ConstantVus { .. } | Executor::RampingVus { .. }
        )
    }

    /// Whether its words name its virtual users.
    pub fn names_users(&self) -> bool {
        self.counts_users()
            || matches!(
                self.executor,
                Executor::SharedIterations { .. } | Executor::PerVuIterations { .. }
            )
    }

    /// Its load in stretches; `None` if the plan does not say it, as with counted iterations.
    pub fn stretches(&self) -> Option<Vec<Stretch>> {
        let begin = self.start().as_secs_f64();
        let constant = |level: u64, duration: Duration| {
            vec![Stretch {
                time: (begin, begin + duration.as_secs_f64()),
                level: (level as f64, level as f64),
            }]
        };
        match &self.executor {
            Executor::ConstantVus { vus, duration } => Some(constant(vus.unwrap_or(1), *duration)),
            Executor::ConstantArrivalRate { rate, duration, .. } => {
                Some(constant(*rate, *duration))
            }
            Executor::RampingVus { start_vus, stages } => {
                Some(ramp(begin, start_vus.unwrap_or(1), stages))
            }
            Executor::RampingArrivalRate {
                start_rate, stages, ..
            } => Some(ramp(begin, start_rate.unwrap_or(0), stages)),
            _ => None,
        }
    }

    /// Its load in words.
    pub fn words(&self) -> String {
        let words = match &self.executor {
            Executor::ConstantVus { vus, duration } => {
                format!("{} for {}", users(vus.unwrap_or(1)), short(*duration))
            }
            Executor::RampingVus { start_vus, stages } => {
                let most = most(start_vus.unwrap_or(1), stages);
                format!(
                    "up to {} in {}",
                    users(most),
                    climb(self.duration(), stages)
                )
            }
            Executor::ConstantArrivalRate {
                rate,
                time_unit,
                duration,
            } => format!(
                "{} {} for {}",
                plural(*rate, "iteration"),
                per(*time_unit),
                short(*duration)
            ),
            Executor::RampingArrivalRate {
                start_rate,
                time_unit,
                stages,
            } => format!(
                "up to {} {} in {}",
                plural(most(start_rate.unwrap_or(0), stages), "iteration"),
                per(*time_unit),
                climb(self.duration(), stages)
            ),
            Executor::SharedIterations {
                vus, iterations, ..
            }
            | Executor::PerVuIterations {
                vus, iterations, ..
            } => {
                let by = match self.executor {
                    Executor::PerVuIterations { .. } => "by each of",
                    _ => "by",
                };
                let iterations = plural(iterations.unwrap_or(1), "iteration");
                format!("{iterations} {by} {}", users(vus.unwrap_or(1)))
            }
            Executor::Unknown => "a load that the plan does not state".to_owned(),
        };
        match self.start() {
            Duration::ZERO => words,
            start => format!("{words}, after {}", short(start)),
        }
    }
}

fn ramp(begin: f64, first: u64, stages: &[Stage]) -> Vec<Stretch> {
    let (mut at, mut level) = (begin, first as f64);
    stages
        .iter()
        .map(|stage| {
            let (end, target) = (at + stage.duration.as_secs_f64(), stage.target as f64);
            let stretch = Stretch {
                time: (at, end),
                level: (level, target),
            };
            (at, level) = (end, target);
            stretch
        })
        .collect()
}

fn most(first: u64, stages: &[Stage]) -> u64 {
    stages
        .iter()
        .map(|stage| stage.target)
        .fold(first, u64::max)
}

fn climb(duration: Duration, stages: &[Stage]) -> String {
    let steps = stages
        .iter()
        .map(|stage| format!("to {} in {}", stage.target, short(stage.duration)));
    format!(
        "{}: {}",
        short(duration),
        steps.collect::<Vec<_>>().join(", ")
    )
}

fn per(unit: Option<Duration>) -> String {
    match unit.unwrap_or(Duration::from_secs(1)) {
        unit if unit == Duration::from_secs(1) => "a second".to_owned(),
        unit => format!("each {}", short(unit)),
    }
}

/// So many virtual users, in words.
pub fn users(count: u64) -> String {
    plural(count, "virtual user")
}

fn required<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    humantime::parse_duration(&text).map_err(serde::de::Error::custom)
}

/// A duration that may be missing or null.
pub fn optional<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    let read = text.map(|text| humantime::parse_duration(&text));
    read.transpose().map_err(serde::de::Error::custom)
}
