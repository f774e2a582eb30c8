//! `run.json`: everything that is known of a run, with units in the names.

use k6_summary::{CheckRow, Metrics, ThresholdRow, Unit};
use serde::{Deserialize, Serialize};

use super::{CapacityRecord, ClusterRecord, Host, Measure, Revision, RunnerRecord};

/// The version of the format: raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether the server was started for the run: results of the two kinds are not comparable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// Started here, fresh and empty.
    StartedHere,
    /// Was already there.
    Url,
}

/// What came of a run or a test.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was asked held.
    Passed,
    /// Something did not.
    Failed,
    /// The user interrupted it.
    Interrupted,
    /// It was not begun.
    #[default]
    NotRun,
    /// It could not be run or measured, or its results not be kept.
    CouldNotRun,
}

/// A run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunRecord {
    /// The version of this format.
    pub schema_version: u32,
    /// The name of the run's folder.
    pub run: String,
    /// What came of it.
    pub outcome: Outcome,
    /// The exit code.
    pub exit_code: u8,
    /// Why it did not pass, in sentences, the most telling first.
    pub reasons: Vec<String>,
    /// What may explain a result: variables that were taken out, files that could not be written.
    pub notices: Vec<String>,
    /// When it began, in UTC.
    pub started_at: String,
    /// How long it took, in seconds, from the start of the server to the end of the last test.
    pub duration_s: f64,
    /// How long it took to end the watch, the sampling and the server, in seconds.
    pub teardown_s: f64,
    /// The profile.
    pub profile: String,
    /// What every duration of the profile was multiplied by.
    pub time_scale: f64,
    /// What its virtual users and rates were multiplied by.
    #[serde(default = "unscaled")]
    pub vus_scale: f64,
    /// The command line that made the run, with the variables that it heeds but the key, for a shell.
    #[serde(default)]
    pub command: Option<String>,
    /// Arguments for k6 after `--`: with them a run is not comparable.
    pub k6_args: Vec<String>,
    /// Where the load went.
    pub target: TargetRecord,
    /// The load generator.
    pub k6: K6Record,
    /// The server, once it answered.
    pub server: Option<ServerRecord>,
    /// The dashboard that shows the run, if its metrics were sent to Prometheus.
    #[serde(default)]
    pub dashboard: Option<String>,
    /// The revision of the working tree.
    pub revision: Option<Revision>,
    /// The machine.
    pub host: Host,
    /// The cluster whose runners made the load, unless it was made here.
    #[serde(default)]
    pub cluster: Option<ClusterRecord>,
    /// The tests, in the order in which they ran.
    pub tests: Vec<TestRecord>,
}

/// The scale of runs that were made before there was one.
pub fn unscaled() -> f64 {
    1.0
}

/// Where the load went.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TargetRecord {
    /// The server's base URL.
    pub base_url: String,
    /// Where WebSockets connected.
    pub ws_url: String,
}

/// The load generator.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct K6Record {
    /// Its version, as in `1.1.0`.
    pub version: String,
    /// Where it came from.
    pub origin: String,
}

/// The server under test.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServerRecord {
    /// Whether it was started for the run.
    pub kind: ServerKind,
    /// Its version, as it says.
    pub version: String,
    /// Whether it injected faults.
    pub faults: bool,
    /// The compiler as it names itself, if cargo built the server for the run.
    #[serde(default)]
    pub compiler: Option<String>,
}

/// A test.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TestRecord {
    /// Its name.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Why it did not pass, in sentences, the most telling first.
    pub reasons: Vec<String>,
    /// When it began, in UTC.
    pub started_at: Option<String>,
    /// How long k6 made load, in seconds, as k6 says.
    pub duration_s: Option<f64>,
    /// The most virtual users that were planned.
    pub max_vus: u64,
    /// The stages of the load.
    pub stages: Vec<StageRecord>,
    /// How k6 ended, in words.
    pub k6_exit: Option<String>,
    /// Every threshold with its bound and value.
    pub thresholds: Vec<ThresholdRow>,
    /// Every check with its counts.
    pub checks: Vec<CheckRow>,
    /// What was measured.
    pub metrics: Option<Metrics>,
    /// Every k6 that made or should have made a part of the load, if there was more than the one here.
    #[serde(default)]
    pub runners: Vec<RunnerRecord>,
    /// What the server spent on the test.
    pub server_usage: Option<UsageRecord>,
    /// Which part of `server-usage.csv` belongs to the test, if the server was sampled.
    #[serde(default)]
    pub sampled: Option<SampledRecord>,
    /// Whether k6 or its machine was so busy that durations say nothing of the server.
    #[serde(default)]
    pub slowed: bool,
    /// Where the server's CPU time went, if that was sampled, which costs some of it.
    #[serde(default)]
    pub profile: Option<ProfileRecord>,
    /// Whether the server's resources grew without end.
    pub growth: Vec<GrowthRow>,
    /// What was asked of the server, what failed the most first.
    #[serde(default)]
    pub endpoints: Vec<EndpointRecord>,
    /// The numbers against those of comparable past runs, if there was a history to look at.
    #[serde(default)]
    pub past: Option<PastRecord>,
    /// How much load the server withstands in this test, if that was searched for.
    #[serde(default)]
    pub capacity: Option<CapacityRecord>,
}

/// A test's numbers against those of comparable past runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PastRecord {
    /// Comparable past runs.
    pub have: usize,
    /// Comparable past runs that a verdict needs.
    pub need: usize,
    /// What is to be said of all metrics, such as "history too short: 12 of 30"; may be empty.
    pub note: String,
    /// The metrics, each with its verdict.
    pub metrics: Vec<PastRow>,
}

/// One metric compared with its past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PastRow {
    /// The metric, such as `http_req_duration p(95)`.
    pub metric: Measure,
    /// The unit of `value` and `reference`.
    pub unit: Unit,
    /// What was measured now.
    pub value: f64,
    /// The median of the last few past runs.
    pub reference: Option<f64>,
    /// The relative change from the reference: 0.1 is +10 %.
    pub change: Option<f64>,
    /// The relative change beyond which a value is suspect.
    pub fence: Option<f64>,
    /// What is made of it.
    pub state: PastState,
    /// Why there is no verdict, or what a second measurement said; may be empty.
    pub note: String,
}

/// What is made of a metric's distance from its past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PastState {
    /// Within the noise of the past.
    Within,
    /// Better, beyond the noise of the past.
    Better,
    /// Worse, beyond the noise of the past, and so it was when measured once more: the test fails.
    Regression,
    /// Worse when first measured, but not when measured once more.
    NotConfirmed,
    /// Shown without a verdict, since the history is too short.
    Shown,
    /// There is no verdict; the note says why.
    NotComparable,
}

/// A stage of the load.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StageRecord {
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// The virtual users at its end.
    pub target: u64,
}

/// What the server spent on a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UsageRecord {
    /// CPU time, in seconds.
    pub cpu_s: f64,
    /// CPU time per HTTP request, in microseconds, if there were any.
    pub cpu_us_per_request: Option<f64>,
    /// The largest resident memory seen, in bytes.
    pub peak_rss_bytes: u64,
    /// The most threads seen.
    pub max_threads: u64,
    /// The most open files seen.
    pub max_open_files: u64,
}

/// Where the server's CPU time went over the steady part of a test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProfileRecord {
    /// Stacks that were seen.
    pub samples: u64,
    /// The functions that took most, the most first.
    pub functions: Vec<FunctionRecord>,
}

/// A function's part of the CPU time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FunctionRecord {
    /// Its name, and the server's own function that called it.
    pub name: String,
    /// Its share of the samples.
    pub share: f64,
    /// That share of the CPU time per HTTP request, in microseconds, if there were any.
    pub cpu_us_per_request: Option<f64>,
}

/// What a method and a route of the server were asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointRecord {
    /// The method.
    pub method: String,
    /// The template of the route as the server has it, or the path with a place for what looks like an id.
    pub route: String,
    /// Requests that the server counted; `None` if it does not count, when only what failed is known.
    pub requests: Option<u64>,
    /// The same per second.
    pub per_second: Option<f64>,
    /// The median of the server's own time for a request, in milliseconds, if its metrics have a histogram.
    pub med_ms: Option<f64>,
    /// The 95th percentile of it.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of it.
    pub p99_ms: Option<f64>,
    /// Answers with a status from 400 to 499.
    pub client_errors: u64,
    /// Answers with a status from 500 on.
    pub server_errors: u64,
    /// Requests without an answer, at the least.
    pub network_errors: u64,
    /// What failures were the most often: a status, or why there was no answer.
    pub commonest: Option<String>,
    /// When the first failure was seen, in seconds since the test began.
    pub first_failure_s: Option<f64>,
    /// The beginning of an answer that failed, with its status, and with what was asked if the route does not say.
    pub example: Option<String>,
}

impl EndpointRecord {
    /// Requests that failed, if every status from 400 on is a failure.
    pub fn failed(&self) -> u64 {
        self.client_errors + self.server_errors + self.network_errors
    }

    /// Requests, with those that no server can have counted.
    pub fn all(&self) -> Option<u64> {
        self.requests.map(|counted| counted + self.network_errors)
    }

    /// How it is called.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.route).trim().to_owned()
    }
}

/// Which of an endpoint's answers are failures: a script may expect a status that others call one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailingStatuses {
    /// k6 counted none.
    None,
    /// k6 counted no more than those from 500 on and those without an answer.
    FromServer,
    /// Every status from 400 on.
    All,
}

impl FailingStatuses {
    /// By k6's own count, if there is one: a server also counts what others ask it.
    pub fn of(endpoints: &[EndpointRecord], metrics: Option<&Metrics>) -> Self {
        let hard: u64 = endpoints
            .iter()
            .map(|it| it.failed() - it.client_errors)
            .sum();
        match metrics {
            Some(it) if it.ws_sessions == 0 && it.http_requests_failed == 0 => Self::None,
            Some(it) if it.ws_sessions == 0 && it.http_requests_failed <= hard => Self::FromServer,
            _ => Self::All,
        }
    }

    /// How many requests to `endpoint` failed.
    pub fn at(self, endpoint: &EndpointRecord) -> u64 {
        match self {
            Self::None => 0,
            Self::FromServer => endpoint.failed() - endpoint.client_errors,
            Self::All => endpoint.failed(),
        }
    }
}

/// The part of `server-usage.csv` that belongs to a test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SampledRecord {
    /// The `elapsed_s` of its first sample, in seconds.
    pub from_s: f64,
    /// The `elapsed_s` of its last sample, in seconds.
    pub to_s: f64,
    /// The clock at its first sample, in milliseconds since 1970: joins it to what k6 measured.
    pub from_unix_ms: f64,
}

/// A resource of the server over the steady part of a test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GrowthRow {
    /// What: `memory` in MiB, `open files` as a count.
    pub resource: String,
    /// The unit of value and bound.
    pub unit: String,
    /// The robust slope, per hour, if it was evaluated.
    pub per_hour: Option<f64>,
    /// The bound, per hour, if there is one.
    pub bound_per_hour: Option<f64>,
    /// Whether it held; `None` if it was not evaluated.
    pub ok: Option<bool>,
    /// Why it was not evaluated, or what the slope rests on.
    pub note: String,
}

impl TestRecord {
    /// A test that is still to be run.
    pub fn planned(name: &str, max_vus: u64, stages: Vec<StageRecord>) -> Self {
        Self {
            name: name.to_owned(),
            max_vus,
            stages,
            ..Self::default()
        }
    }
}
