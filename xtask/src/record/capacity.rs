//! How much load a server withstands: every step of the search, what is known of the edge, and what gave way there.

use serde::{Deserialize, Serialize};

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
    pub interval: Interval,
    /// The probability that it lies there, 0 to 1.
    pub level: f64,
    /// What the longer steps at the end said.
    pub confirmed: Confirmed,
    /// Why the search ended.
    pub ended: SearchEnd,
    /// What gave way at the edge, if that is known.
    pub cause: Option<CauseRecord>,
}

/// What a load is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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

/// What a step was measured for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StepRole {
    /// To find loads that hold and that do not, by doubling or halving.
    Grow,
    /// To narrow what lies between them.
    Bisect,
    /// A load that was made before, near the edge, where chance decides.
    Repeat,
    /// A longer step just below the edge.
    ConfirmBelow,
    /// A longer step just above it.
    ConfirmAbove,
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

/// Where the edge lies: the highest load that holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Interval {
    /// At this load or above; 0 if none held.
    pub at_least: f64,
    /// Below this load; `None` if no load was too much.
    pub below: Option<f64>,
}

/// What the longer steps at the end said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Confirmed {
    /// The load just below the edge held for longer.
    pub below: bool,
    /// The load just above it did not hold again.
    pub above: bool,
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

impl LoadUnit {
    /// So much load, in words: `340 users`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::IterationsPerSecond => "iterations a second",
        }
    }
}
