//! A test over time: k6's view and the server's on one time axis, and how its durations are distributed.

mod dashboard;
mod distribution;
mod usage;

use std::path::Path;

use dashboard::Dashboard;
use distribution::Distribution;
pub use usage::Usage;

use super::chart::{Axis, Chart, ChartLine, Form};
use super::text::Text;
use crate::record::TestRecord;

/// How many stretches rates are computed over.
const STRETCHES: f64 = 60.0;

/// The title of the chart that has the bounds of thresholds.
const LATENCY: &str = "Latency of requests";
/// The title of the chart of their rate.
const REQUESTS: &str = "Requests";

/// The most statuses that have a line of their own.
const MOST_STATUSES: usize = 4;

/// Pairs of seconds since the start and a value.
type Curve = Vec<(f64, f64)>;

/// What k6 left in a test's folder for charts.
pub struct Curves {
    /// What it measured in each period, or a sentence that says why that is not known.
    pub dashboard: Result<Dashboard, String>,
    distribution: Option<Distribution>,
}

impl Curves {
    /// Reads what is in `folder`, that of a test in a run's.
    pub fn read(folder: &Path) -> Self {
        Self {
            dashboard: Dashboard::read(&folder.join("report.html")),
            distribution: Distribution::read(&folder.join("summary.json")),
        }
    }
}

/// The charts of how durations are distributed, with those of the run `before` behind them.
pub fn distribution(now: &Curves, before: Option<&Curves>) -> Vec<Chart> {
    let before = before.and_then(|it| it.distribution.as_ref());
    let now = now.distribution.as_ref();
    now.map_or_else(Vec::new, |now| now.charts(before))
}

/// The charts of `test`, with the run `before` behind it; none for what was not measured.
pub fn over_time(
    test: &TestRecord,
    now: &Curves,
    before: Option<&Curves>,
    usage: Option<&Usage>,
) -> Vec<Chart> {
    let k6 = now.dashboard.as_ref().ok();
    let before = before.and_then(|it| it.dashboard.as_ref().ok());
    let planned: f64 = test.stages.iter().map(|stage| stage.duration_s).sum();
    let end = k6.map_or(0.0, Dashboard::end);
    let span = 0.0..end.max(test.duration_s.unwrap_or(planned));
    let mut charts: Vec<Chart> = Vec::new();
    let mut add = |title: &str, unit: &str, curves: &[(&str, Curve)]| {
        let curves = curves.iter().filter(|(_, curve)| !curve.is_empty());
        let lines: Vec<ChartLine> = curves
            .map(|(name, it)| ChartLine::through(name, it))
            .collect();
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
        let opening = [("p50", "med"), ("p95", "p(95)"), ("p99", "p(99)")]
            .map(|(name, aggregate)| (name, curve("ws_connecting", aggregate)));
        let errors = errors(k6, least);
        let errors: Vec<(&str, Curve)> = errors
            .iter()
            .map(|(name, it)| (&**name, it.clone()))
            .collect();
        let sessions = ("sessions", rate("ws_sessions"));
        add(LATENCY, "ms, of each period", &latency);
        add(REQUESTS, "per second", &[("requests", rate("http_reqs"))]);
        add("Failed requests", "% of requests", &[("failed", failed)]);
        add("Errors by status", "per second", &errors);
        add("WebSocket sessions", "opened per second", &[sessions]);
        add("Opening a WebSocket", "ms, of each period", &opening);
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
    for chart in &mut charts {
        let then = |k6: &Dashboard| match &*chart.title {
            LATENCY => k6.curve("http_req_duration", "p(95)").to_vec(),
            REQUESTS => k6.per_second("http_reqs", (span.end / STRETCHES).max(1.0)),
            _ => Vec::new(),
        };
        let then = before.map(then).filter(|curve| !curve.is_empty());
        let name = if &*chart.title == LATENCY {
            "p95 of the run before"
        } else {
            "run before"
        };
        let then = then.map(|curve| ChartLine::through(name, &curve).drawn(Form::Before));
        chart.lines.extend(then);
        if &*chart.title == LATENCY {
            chart.bounds = bounds(test);
        }
    }
    charts
}

/// How often each status that is an error came per second, the commonest first, the rare ones together.
fn errors(k6: &Dashboard, least: f64) -> Vec<(String, Curve)> {
    let mut found: Vec<(String, Curve)> = k6
        .error_statuses()
        .map(|(status, counter)| {
            let name = match status {
                "0" => "no answer".to_owned(),
                status => status.to_owned(),
            };
            (name, k6.per_second(counter, least))
        })
        .collect();
    let sum = |curve: &Curve| curve.iter().map(|(_, rate)| rate).sum::<f64>();
    found.sort_by(|(_, a), (_, b)| sum(b).total_cmp(&sum(a)));
    if found.len() > MOST_STATUSES {
        let rest = found.split_off(MOST_STATUSES);
        let mut together = rest[0].1.clone();
        for (_, curve) in &rest[1..] {
            for (whole, part) in together.iter_mut().zip(curve) {
                whole.1 += part.1;
            }
        }
        found.push((format!("{} other statuses", rest.len()), together));
    }
    found
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
