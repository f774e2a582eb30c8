//! The data that k6 gives to `handleSummary`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::check::{CheckRow, Group};
use crate::error::ParseError;
use crate::expression::Aggregation;
use crate::metric::Metric;

/// The data of one finished test run, as `load-tests/main.js` writes it: what k6 gives to
/// [`handleSummary`](https://grafana.com/docs/k6/latest/results-output/end-of-test/custom-summary/)
/// and, beside it, what was asked for. Unknown fields are ignored.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Summary {
    /// Metrics by name, submetrics among them: `http_req_duration{expected_response:true}`.
    pub metrics: BTreeMap<String, Metric>,
    /// What was asked for; none if another script wrote the summary.
    #[serde(default)]
    pub load_test: Option<LoadTest>,
    root_group: Group,
    state: State,
}

/// What `load-tests/main.js` was asked to do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoadTest {
    /// Name of the profile.
    pub profile: String,
    /// Name of the test.
    pub test: String,
    /// Factor on the profile's durations.
    pub time_scale: f64,
    /// Expressions of the thresholds by metric.
    pub thresholds: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct State {
    #[serde(rename = "testRunDurationMs")]
    test_run_duration_ms: f64,
}

impl Summary {
    /// Reads the JSON text that `handleSummary` wrote.
    ///
    /// # Errors
    /// Says whether the text is empty, cut off, no JSON, or no summary, and where.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        if text.trim_ascii().is_empty() {
            return Err(ParseError::Empty);
        }
        let mut summary: Self =
            serde_json::from_slice(text).map_err(|error| ParseError::new(&error))?;
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
        let aggregation = Aggregation::parse(aggregation).ok()?;
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

    /// Iterations that completed.
    #[must_use]
    pub fn iterations(&self) -> u64 {
        self.counter("iterations")
    }

    /// HTTP requests made.
    #[must_use]
    pub fn http_requests(&self) -> u64 {
        self.counter("http_reqs")
    }

    /// HTTP requests that failed: no answer, or a status that was not expected.
    #[must_use]
    pub fn failed_http_requests(&self) -> u64 {
        // A "pass" of this rate is a request for which "failed" is true.
        self.metric("http_req_failed")
            .and_then(|metric| metric.value("passes"))
            .map_or(0, |passes| passes as u64)
    }

    /// WebSocket connections attempted, among them those that the server refused.
    #[must_use]
    pub fn websocket_sessions(&self) -> u64 {
        self.counter("ws_sessions")
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

    /// The sum of a counter; zero if there is none of that name.
    pub(crate) fn counter(&self, name: &str) -> u64 {
        self.metric(name)
            .and_then(|metric| metric.value("count"))
            .map_or(0, |count| count as u64)
    }
}
