//! The numbers of a test that are worth keeping.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expression::Aggregation;
use crate::metric::{Metric, MetricKind};
use crate::summary::Summary;
use crate::unit::Unit;

/// A test's totals and distributions. Names end in their unit; counts have none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metrics {
    /// How long the test ran.
    pub duration_ms: f64,
    /// Iterations that completed.
    pub iterations: u64,
    /// Iterations that ended with an exception, which k6 counts as complete.
    #[serde(default)]
    pub iteration_exceptions: u64,
    /// Iterations that could not start in time; only arrival-rate profiles have them.
    pub dropped_iterations: u64,
    /// The most virtual users that the test had ready; none in a run shorter than a second.
    pub vus_max: Option<u64>,
    /// HTTP requests made.
    pub http_requests: u64,
    /// HTTP requests per second.
    pub http_requests_per_second: f64,
    /// HTTP requests that failed.
    pub http_requests_failed: u64,
    /// Share of HTTP requests that failed, 0 to 1; none without requests.
    pub http_failed_ratio: Option<f64>,
    /// Checks that passed.
    pub checks_passed: u64,
    /// Checks that failed.
    pub checks_failed: u64,
    /// Share of checks that passed, 0 to 1; none without checks.
    pub checks_ratio: Option<f64>,
    /// Bytes received.
    pub data_received_bytes: u64,
    /// Bytes sent.
    pub data_sent_bytes: u64,
    /// WebSocket connections attempted.
    pub ws_sessions: u64,
    /// WebSocket messages received.
    pub ws_messages_received: u64,
    /// WebSocket messages sent.
    pub ws_messages_sent: u64,
    /// Duration of HTTP requests; none without requests.
    pub http_req_duration: Option<TrendDigest>,
    /// Every trend with samples by name, the script's own and submetrics among them.
    pub trends: BTreeMap<String, TrendDigest>,
}

/// A distribution. Values are in `unit`; one that the summary does not have is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TrendDigest {
    /// Unit of every value but `count`.
    pub unit: Unit,
    /// Number of samples.
    pub count: Option<u64>,
    /// Least.
    pub min: Option<f64>,
    /// Mean.
    pub avg: Option<f64>,
    /// Median.
    pub med: Option<f64>,
    /// 95th percentile.
    pub p95: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Greatest.
    pub max: Option<f64>,
}

impl Metrics {
    /// Takes the numbers out of a summary.
    #[must_use]
    pub fn of(summary: &Summary) -> Self {
        let (checks_passed, checks_failed) = summary.check_totals();
        let checks = checks_passed.saturating_add(checks_failed);
        let requests = summary.counter("http_reqs");
        let trends: BTreeMap<String, TrendDigest> = summary
            .metrics
            .iter()
            .filter(|(_, metric)| metric.kind == MetricKind::Trend && metric.has_samples())
            .map(|(name, metric)| (name.clone(), TrendDigest::of(metric)))
            .collect();
        Self {
            duration_ms: summary.duration_ms(),
            iterations: summary.counter("iterations"),
            iteration_exceptions: summary.iteration_exceptions().0,
            dropped_iterations: summary.counter("dropped_iterations"),
            vus_max: summary.vus_max(),
            http_requests: requests,
            http_requests_per_second: summary.value("http_reqs", "rate").unwrap_or(0.0),
            http_requests_failed: summary.failed_http_requests(),
            http_failed_ratio: summary.failed_share(),
            checks_passed,
            checks_failed,
            checks_ratio: (checks > 0).then(|| checks_passed as f64 / checks as f64),
            data_received_bytes: summary.counter("data_received"),
            data_sent_bytes: summary.counter("data_sent"),
            ws_sessions: summary.counter("ws_sessions"),
            ws_messages_received: summary.counter("ws_msgs_received"),
            ws_messages_sent: summary.counter("ws_msgs_sent"),
            http_req_duration: trends.get("http_req_duration").cloned(),
            trends,
        }
    }
}

impl TrendDigest {
    fn of(metric: &Metric) -> Self {
        // Nothing takes no time at all: a zero stands for requests that never reached a server.
        let timed = |value: &f64| *value != 0.0 || !metric.is_duration();
        let value = |name| metric.value(name).filter(timed);
        let percentile = |percent| {
            let value = metric.aggregate(Aggregation::Percentile(percent));
            value.filter(timed)
        };
        Self {
            unit: metric.unit(Aggregation::Med),
            count: metric.value("count").map(|count| count as u64),
            min: value("min"),
            avg: value("avg"),
            med: percentile(50.0),
            p95: percentile(95.0),
            p99: percentile(99.0),
            max: value("max"),
        }
    }
}
