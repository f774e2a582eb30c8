//! The data that k6 gives to `handleSummary`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::check::{CheckRow, Group};
use crate::evidence::SummaryProblem;
use crate::expression::Aggregation;
use crate::metric::Metric;
use crate::rule::Rules;

/// How `load-tests/main.js` names the part of a metric that belongs to `setup` and `teardown`.
const APART: [&str; 2] = ["{phase:setup}", "{phase:teardown}"];

/// The data of one finished test run, as `load-tests/main.js` writes it: what k6 gives to
/// [`handleSummary`](https://grafana.com/docs/k6/latest/results-output/end-of-test/custom-summary/)
/// and, beside it, what was asked for. Unknown fields are ignored. It is written as it is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Metrics by name, submetrics among them: `http_req_duration{expected_response:true}`.
    pub metrics: BTreeMap<String, Metric>,
    /// What was asked for; none if another script wrote the summary.
    #[serde(default)]
    pub load_test: Option<LoadTest>,
    pub(crate) root_group: Group,
    pub(crate) state: State,
}

/// What `load-tests/main.js` was asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadTest {
    /// Name of the profile.
    pub profile: String,
    /// Name of the test.
    pub test: String,
    /// Factor on the profile's durations.
    pub time_scale: f64,
    /// Expressions of the thresholds by metric.
    pub thresholds: BTreeMap<String, Vec<String>>,
    /// Those of them that the script itself has.
    #[serde(default)]
    pub own_thresholds: BTreeMap<String, Vec<String>>,
    /// What must be seen for the test to pass.
    #[serde(default)]
    pub evidence: Rules,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    #[serde(rename = "testRunDurationMs")]
    pub(crate) test_run_duration_ms: f64,
}

impl Summary {
    /// Reads the JSON text that `handleSummary` wrote.
    ///
    /// # Errors
    /// Says whether the text is empty, cut off, no JSON, or no summary, and where.
    pub fn parse(text: &[u8]) -> Result<Self, SummaryProblem> {
        if text.trim_ascii().is_empty() {
            let why = "the summary is empty: k6 ended before it wrote any of it";
            return Err(SummaryProblem::Unreadable(why.into()));
        }
        let mut summary: Self = serde_json::from_slice(text)?;
        for (name, metric) in &mut summary.metrics {
            metric.name.clone_from(name);
        }
        Ok(summary)
    }

    /// The metric or submetric of that name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.get(name)
    }

    /// One value of a metric with samples: `("http_req_duration", "p(95)")`.
    #[must_use]
    pub fn value(&self, metric: &str, aggregation: &str) -> Option<f64> {
        self.value_of(metric, Aggregation::parse(aggregation).ok()?)
    }

    pub(crate) fn value_of(&self, metric: &str, aggregation: Aggregation) -> Option<f64> {
        let metric = self.metric(metric).filter(|metric| metric.has_samples())?;
        metric.aggregate(aggregation)
    }

    /// Every check with the groups around it, in the script's order.
    #[must_use]
    pub fn checks(&self) -> Vec<CheckRow> {
        self.root_group.flatten()
    }

    /// How long the test ran. Zero if the summary has a negative or absurd number.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::try_from_secs_f64(self.duration_ms() / 1000.0).unwrap_or_default()
    }

    /// How long the test ran, as k6 says, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> f64 {
        self.state.test_run_duration_ms
    }

    /// Iterations that ended with an exception, and all of which that is known.
    #[must_use]
    pub fn iteration_exceptions(&self) -> (u64, u64) {
        // A "pass" of this rate is an iteration for which "ended with an exception" is true.
        let value = |name| self.whole("iteration_exceptions", name);
        let exceptions = value("passes");
        (exceptions, exceptions.saturating_add(value("fails")))
    }

    /// HTTP requests and WebSocket sessions by the load alone, without those of `setup` and `teardown`.
    #[must_use]
    pub fn load_requests(&self) -> u64 {
        let made = |metric: &str| {
            let apart = APART.map(|phase| self.counter(&format!("{metric}{phase}")));
            self.counter(metric).saturating_sub(apart.iter().sum())
        };
        made("http_reqs").saturating_add(made("ws_sessions"))
    }

    /// HTTP requests that failed: no answer, or a status that was not expected.
    #[must_use]
    pub fn failed_http_requests(&self) -> u64 {
        // A "pass" of this rate is a request for which "failed" is true.
        self.whole("http_req_failed", "passes")
    }

    /// The share of HTTP requests that failed, 0 to 1; none without requests.
    #[must_use]
    pub fn failed_share(&self) -> Option<f64> {
        let requests = self.counter("http_reqs");
        (requests > 0).then(|| self.failed_http_requests() as f64 / requests as f64)
    }

    /// The most virtual users that the test had ready. k6 looks once a second, so there is none
    /// in a shorter run.
    #[must_use]
    pub fn vus_max(&self) -> Option<u64> {
        let max = self.metric("vus_max")?.value("max")?;
        Some(max as u64)
    }

    /// Checks that passed, and that failed, all together.
    #[must_use]
    pub fn check_totals(&self) -> (u64, u64) {
        self.checks().iter().fold((0, 0), |(passes, fails), check| {
            (
                passes.saturating_add(check.passes),
                fails.saturating_add(check.fails),
            )
        })
    }

    /// Whether a metric is there only to count apart what `setup` and `teardown` requested.
    pub(crate) fn is_apart(name: &str) -> bool {
        APART.iter().any(|phase| name.ends_with(phase))
    }

    /// The sum of a counter; zero if there is none of that name.
    #[must_use]
    pub fn counter(&self, name: &str) -> u64 {
        self.whole(name, "count")
    }

    /// A value that is a whole number; zero if there is none.
    fn whole(&self, metric: &str, value: &str) -> u64 {
        let value = self.metric(metric).and_then(|metric| metric.value(value));
        value.map_or(0, |it| it as u64)
    }
}
