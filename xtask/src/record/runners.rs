//! A test whose load several k6 made, each a part of it.

use k6_summary::{Aggregation, Metrics, RunnerSummary, ShortSummary};
use serde::{Deserialize, Serialize};

/// The cluster on which a run's runners were.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClusterRecord {
    /// The context of `kubectl`.
    pub context: String,
    /// The namespace.
    pub namespace: String,
    /// The version of k6-operator, if it is known.
    pub operator: Option<String>,
    /// The image of the runners.
    pub image: String,
    /// Runners that each test should have.
    pub runners: u32,
    /// Runners whose whole summary there is, of the test that has the fewest.
    pub heard: u32,
}

/// One k6 of several, whether something was heard of it or not.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunnerRecord {
    /// Its name.
    pub name: String,
    /// What there is of its summary.
    pub heard: Heard,
    /// How it ended, in words.
    pub outcome: String,
    /// Its exit code, if it is known.
    pub exit_code: Option<i32>,
    /// The node or host it was on, if that is known.
    pub node: Option<String>,
    /// How long it made load, in seconds.
    pub duration_s: Option<f64>,
    /// HTTP requests that it made.
    pub requests: Option<u64>,
    /// The same per second.
    pub requests_per_second: Option<f64>,
    /// HTTP requests that failed.
    pub failed: Option<u64>,
    /// The median duration of its requests, in milliseconds.
    pub med_ms: Option<f64>,
    /// The 95th percentile of it.
    pub p95_ms: Option<f64>,
    /// The 99th percentile of it.
    pub p99_ms: Option<f64>,
    /// Iterations that it completed.
    pub iterations: Option<u64>,
}

/// What there is of a runner's summary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// Nothing.
    #[default]
    Nothing,
    /// The short form: figures for people, not enough for a verdict.
    ShortForm,
    /// All of it: the runner is part of the verdict.
    InFull,
}

impl RunnerRecord {
    /// A runner that ended as `outcome` says, and of which nothing else is known.
    pub fn silent(name: &str, outcome: impl Into<String>, exit_code: Option<i32>) -> Self {
        Self {
            name: name.to_owned(),
            outcome: outcome.into(),
            exit_code,
            ..Self::default()
        }
    }

    /// With the figures of its summary.
    #[must_use]
    pub fn in_full(self, runner: &RunnerSummary) -> Self {
        let summary = &runner.summary;
        let metrics = Metrics::of(summary);
        let percentile = |percent| {
            let metric = summary
                .metric("http_req_duration")
                .filter(|it| it.has_samples())?;
            metric.aggregate(Aggregation::Percentile(percent))
        };
        Self {
            heard: Heard::InFull,
            duration_s: Some(metrics.duration_ms / 1e3),
            requests: Some(metrics.http_requests),
            requests_per_second: Some(metrics.http_requests_per_second),
            failed: Some(metrics.http_requests_failed),
            med_ms: percentile(50.0),
            p95_ms: percentile(95.0),
            p99_ms: percentile(99.0),
            iterations: Some(metrics.iterations),
            ..self
        }
    }

    /// With the figures of the short form.
    #[must_use]
    pub fn in_short(self, runner: &ShortSummary) -> Self {
        let counter = |name: &str| runner.counters.get(name).map(|count| *count as u64);
        let duration_s = runner.duration_ms / 1e3;
        let requests = counter("http_reqs");
        let duration = runner.trends.get("http_req_duration");
        let figure = |nth: usize| duration.and_then(|figures| figures[nth]);
        Self {
            heard: Heard::ShortForm,
            duration_s: Some(duration_s),
            requests,
            requests_per_second: requests
                .filter(|_| duration_s > 0.0)
                .map(|all| all as f64 / duration_s),
            failed: runner
                .rates
                .get("http_req_failed")
                .map(|(failed, _)| *failed),
            med_ms: figure(2),
            p95_ms: figure(3),
            p99_ms: figure(4),
            iterations: counter("iterations"),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::runner_log;

    #[test]
    fn the_figures_of_a_runner_are_those_of_its_line_or_of_the_short_form() {
        let line = r#"{"grid":[0,50,95,99,100],"stats":["avg","med","count","p(95)","p(99)"],
            "metrics":{
                "http_reqs":{"type":"counter","values":{"count":20,"rate":2}},
                "iterations":{"type":"counter","values":{"count":10,"rate":1}},
                "http_req_failed":{"type":"rate","values":{"rate":0.05,"passes":1,"fails":19}},
                "http_req_duration":{"type":"trend","contains":"time","values":{"avg":1,"count":20},
                    "grid":[0.1,0.4,2,9.5,10]}},
            "root_group":{"name":"","groups":[],"checks":[]},"state":{"testRunDurationMs":10000},
            "load_test":{"profile":"smoke","test":"health","time_scale":1,"thresholds":{}}}"#;
        let short = r#"{"profile":"smoke","test":"health","duration_ms":10000,"checks":[0,0],"thresholds":{},
            "trends":{"http_req_duration":[20,0.1,0.4,2,9.5,10]},"counters":{"http_reqs":20,"iterations":10},
            "rates":{"http_req_failed":[1,19]},"left_out":0}"#;
        let silent = || RunnerRecord::silent("smoke-1", "was evicted", None);
        let in_full = silent().in_full(&RunnerSummary::from_log(&runner_log(line)).unwrap());
        let in_short = silent().in_short(&RunnerSummary::from_termination_message(short).unwrap());
        let figures = |heard| RunnerRecord {
            heard,
            duration_s: Some(10.0),
            requests: Some(20),
            requests_per_second: Some(2.0),
            failed: Some(1),
            med_ms: Some(0.4),
            p95_ms: Some(2.0),
            p99_ms: Some(9.5),
            iterations: Some(10),
            ..silent()
        };
        assert_eq!(in_full, figures(Heard::InFull));
        assert_eq!(in_short, figures(Heard::ShortForm));
    }
}
