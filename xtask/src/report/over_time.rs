//! A test over time: k6's view and the server's on one time axis.

mod dashboard;
mod usage;

pub use dashboard::Dashboard;
pub use usage::Usage;

use super::chart::{Axis, Chart, Line};
use super::text::Text;
use crate::record::TestRecord;

/// How many stretches rates are computed over.
const STRETCHES: f64 = 60.0;

/// The title of the chart that has the bounds of thresholds.
const LATENCY: &str = "Latency of requests";

/// Pairs of seconds since the start and a value.
type Curve = Vec<(f64, f64)>;

/// The charts of `test`; none for what was not measured.
pub fn over_time(test: &TestRecord, k6: Option<&Dashboard>, usage: Option<&Usage>) -> Vec<Chart> {
    let planned: f64 = test.stages.iter().map(|stage| stage.duration_s).sum();
    let end = k6.map_or(0.0, Dashboard::end);
    let span = 0.0..end.max(test.duration_s.unwrap_or(planned));
    let mut charts: Vec<Chart> = Vec::new();
    let mut add = |title: &str, unit: &str, curves: &[(&str, Curve)]| {
        let curves = curves.iter().filter(|(_, curve)| !curve.is_empty());
        let lines: Vec<Line> = curves.map(|(name, it)| Line::through(name, it)).collect();
        if !lines.is_empty() {
            charts.push(Chart {
                lines,
                ..Chart::new(title, unit, Axis::Seconds(span.clone()))
            });
        }
    };
    if let Some(k6) = k6 {
        let curve = |metric, aggregate| k6.curve(metric, aggregate).to_vec();
        let least = (span.end / STRETCHES).max(1.0);
        let rate = |counter| k6.per_second(counter, least);
        let latency = [("p50", "med"), ("p95", "p(95)"), ("p99", "p(99)")]
            .map(|(name, aggregate)| (name, curve("http_req_duration", aggregate)));
        let failed = curve("http_req_failed", "rate").into_iter();
        let failed = failed.map(|(at, share)| (at, share * 100.0)).collect();
        let messages = [("received", "ws_msgs_received"), ("sent", "ws_msgs_sent")]
            .map(|(name, counter)| (name, rate(counter)));
        add(LATENCY, "ms, of each period", &latency);
        add("Requests", "per second", &[("requests", rate("http_reqs"))]);
        add("Failed requests", "% of requests", &[("failed", failed)]);
        add("WebSocket messages", "per second", &messages);
        let users = ("virtual users", curve("vus", "value"));
        add("Virtual users", "users", &[users]);
    }
    if let (Some(usage), Some(sampled)) = (usage, test.sampled) {
        // Both clocks are this machine's: where k6's start is known, the server's samples are put beside it.
        let begun = k6.map_or(sampled.from_unix_ms, |k6| k6.start_ms);
        let shift = (sampled.from_unix_ms - begun) / 1000.0 - sampled.from_s;
        let during = |all: &Curve| -> Curve {
            let within = sampled.from_s..=sampled.to_s;
            let during = all.iter().filter(|(at, _)| within.contains(at));
            during.map(|(at, value)| (at + shift, *value)).collect()
        };
        let memory = ("memory", during(&usage.memory));
        add("Server memory", "MiB resident", &[memory]);
        add(
            "Server CPU",
            "% of one core",
            &[("CPU", during(&usage.cpu))],
        );
    }
    if let Some(latency) = charts.iter_mut().find(|chart| &*chart.title == LATENCY) {
        latency.bounds = bounds(test);
    }
    charts
}

/// The bounds of the latency of requests.
fn bounds(test: &TestRecord) -> Vec<(f64, Text)> {
    let rows = test.thresholds.iter();
    let rows = rows.filter(|row| row.metric == "http_req_duration");
    rows.filter_map(|row| {
        let aggregation = row.aggregation.as_ref()?;
        let label = format!("bound of {aggregation}: {}", row.bound_text());
        Some((row.bound?, label.into()))
    })
    .collect()
}
