//! A test over time: k6's view and the server's on one time axis.

use load_charts::{LineChart, Point, Series as Line};

use crate::record::TestRecord;
use crate::report::series::Series;
use crate::report::usage::Usage;

/// How many stretches rates are computed over.
const STRETCHES: f64 = 60.0;

/// The charts of `test`; none for what was not measured.
pub fn over_time(test: &TestRecord, k6: Option<&Series>, usage: Option<&Usage>) -> Vec<LineChart> {
    let planned: f64 = test.stages.iter().map(|stage| stage.duration_s).sum();
    let span = 0.0..k6
        .map_or(0.0, Series::end)
        .max(test.duration_s.unwrap_or(planned));
    let mut charts = Vec::new();
    if let Some(k6) = k6 {
        charts.extend(latency(test, k6));
        let least = (span.end / STRETCHES).max(1.0);
        charts.extend(chart(
            "Requests",
            "per second",
            &[("requests", k6.per_second("http_reqs", least))],
        ));
        let failed = k6
            .curve("http_req_failed", "rate")
            .iter()
            .map(|(at, share)| (*at, share * 100.0))
            .collect();
        charts.extend(chart(
            "Failed requests",
            "% of requests",
            &[("failed", failed)],
        ));
        let messages = [
            ("received", k6.per_second("ws_msgs_received", least)),
            ("sent", k6.per_second("ws_msgs_sent", least)),
        ];
        charts.extend(chart("WebSocket messages", "per second", &messages));
        charts.extend(chart(
            "Virtual users",
            "users",
            &[("virtual users", k6.curve("vus", "value").to_vec())],
        ));
    }
    if let (Some(usage), Some(sampled)) = (usage, test.sampled) {
        // Both clocks are this machine's: where k6's start is known, the server's samples are put beside it.
        let begun = k6.map_or(sampled.from_unix_ms, |k6| k6.start_ms);
        let shift = (sampled.from_unix_ms - begun) / 1000.0 - sampled.from_s;
        let during = |all: &[(f64, f64)]| -> Vec<(f64, f64)> {
            let during = all
                .iter()
                .filter(|(at, _)| (sampled.from_s..=sampled.to_s).contains(at));
            during.map(|(at, value)| (at + shift, *value)).collect()
        };
        charts.extend(chart(
            "Server memory",
            "MiB resident",
            &[("memory", during(&usage.memory))],
        ));
        charts.extend(chart(
            "Server CPU",
            "% of one core",
            &[("CPU", during(&usage.cpu))],
        ));
    }
    charts
        .into_iter()
        .map(|chart| chart.span(span.clone()))
        .collect()
}

fn latency(test: &TestRecord, k6: &Series) -> Option<LineChart> {
    let curve = |aggregate| k6.curve("http_req_duration", aggregate).to_vec();
    let curves = [
        ("p50", curve("med")),
        ("p95", curve("p(95)")),
        ("p99", curve("p(99)")),
    ];
    let mut chart = chart("Latency of requests", "ms, of each period", &curves)?;
    for row in test
        .thresholds
        .iter()
        .filter(|row| row.metric == "http_req_duration")
    {
        if let (Some(bound), Some(aggregation)) = (row.bound, &row.aggregation) {
            chart = chart.bound(
                bound,
                format!("bound of {aggregation}: {}", row.bound_text()),
            );
        }
    }
    Some(chart)
}

fn chart(title: &str, unit: &str, curves: &[(&str, Vec<(f64, f64)>)]) -> Option<LineChart> {
    if curves.iter().all(|(_, curve)| curve.is_empty()) {
        return None;
    }
    let lines = curves.iter().filter(|(_, curve)| !curve.is_empty());
    Some(
        lines.fold(LineChart::new(title, unit), |chart, (name, curve)| {
            let points = curve.iter().map(|(x, y)| Point::new(*x, *y)).collect();
            chart.series(Line::new(*name, points))
        }),
    )
}
