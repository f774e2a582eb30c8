//! The rows that every report shows of a test: what was judged, with bound and value, and what was measured.

use k6_summary::{Quantity, ThresholdState, Unit};

use crate::record::{GrowthRow, Outcome, RunRecord, TestRecord};

/// Whether something held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It held.
    Passed,
    /// It did not.
    Failed,
    /// There was nothing to judge it by.
    NotEvaluated,
}

/// One judged row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Whether it held.
    pub mark: Mark,
    /// What was judged, such as `http_req_duration p(95)`.
    pub what: String,
    /// What was demanded, such as `< 500 ms`.
    pub bound: String,
    /// What was found, such as `3.1 ms`.
    pub value: String,
}

const MIB: f64 = 1_048_576.0;

/// Every judged row of a test: thresholds, checks, growth.
pub fn judged(test: &TestRecord) -> Vec<Row> {
    let thresholds = test.thresholds.iter().map(|row| {
        let mark = match row.state {
            ThresholdState::Passed => Mark::Passed,
            ThresholdState::Crossed => Mark::Failed,
            ThresholdState::NotEvaluated => Mark::NotEvaluated,
        };
        let value = match mark {
            Mark::NotEvaluated => "not evaluated: no samples".into(),
            _ => row.value_text().unwrap_or_else(|| "unknown".into()),
        };
        let aggregation = row.aggregation.as_deref().unwrap_or(&row.expression);
        Row {
            mark,
            what: format!("{} {aggregation}", row.metric),
            bound: row.bound_text(),
            value,
        }
    });
    let checks = test.checks.iter().map(|check| Row {
        mark: match (check.passes, check.fails) {
            (0, 0) => Mark::NotEvaluated,
            (_, 0) => Mark::Passed,
            _ => Mark::Failed,
        },
        what: format!("check {}", check.name),
        bound: String::new(),
        value: format!("{} of {}", check.passes, check.total()),
    });
    thresholds
        .chain(checks)
        .chain(test.growth.iter().map(growth))
        .collect()
}

fn growth(row: &GrowthRow) -> Row {
    let amount = |value: f64| format!("{value:.1} {}/h", row.unit);
    Row {
        mark: match row.ok {
            Some(true) => Mark::Passed,
            Some(false) => Mark::Failed,
            None => Mark::NotEvaluated,
        },
        what: format!("{} growth", row.resource),
        bound: row
            .bound_per_hour
            .map_or_else(|| "none".into(), |bound| format!("≤ {}", amount(bound))),
        value: match (row.ok, row.per_hour) {
            (Some(_), Some(value)) => amount(value),
            _ => format!("not evaluated: {}", row.note),
        },
    }
}

/// What was measured, as pairs of a name and a text.
pub fn measured(test: &TestRecord) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(metrics) = &test.metrics {
        let quantity = |number, unit| Quantity::new(number, unit).to_string();
        if metrics.http_requests > 0 {
            let rate = quantity(metrics.http_requests_per_second, Unit::PerSecond);
            out.push((
                "requests",
                format!(
                    "{} at {rate}, {} failed",
                    metrics.http_requests, metrics.http_requests_failed
                ),
            ));
        }
        if let Some(trend) = &metrics.http_req_duration {
            let ms = |value: Option<f64>| {
                value.map_or_else(|| "–".into(), |value| quantity(value, trend.unit))
            };
            out.push((
                "p50 / p95 / p99",
                format!("{} / {} / {}", ms(trend.med), ms(trend.p95), ms(trend.p99)),
            ));
        }
        if metrics.ws_sessions > 0 {
            let text = format!(
                "{} sessions, {} messages received, {} sent",
                metrics.ws_sessions, metrics.ws_messages_received, metrics.ws_messages_sent
            );
            out.push(("WebSocket", text));
        }
        let checks = metrics.checks_passed + metrics.checks_failed;
        out.push((
            "checks",
            format!("{} of {checks} passed", metrics.checks_passed),
        ));
        out.push((
            "iterations",
            format!(
                "{}, up to {} virtual user{}",
                metrics.iterations,
                test.max_vus,
                if test.max_vus == 1 { "" } else { "s" }
            ),
        ));
    }
    if let Some(usage) = &test.server_usage {
        let per_request = usage
            .cpu_us_per_request
            .map(|us| format!(", {us:.0} µs per request"))
            .unwrap_or_default();
        out.push(("server CPU", format!("{:.2} s{per_request}", usage.cpu_s)));
        let memory = usage.peak_rss_bytes as f64 / MIB;
        out.push((
            "server peak",
            format!(
                "{memory:.1} MiB, {} threads, {} open files",
                usage.max_threads, usage.max_open_files
            ),
        ));
    }
    out
}

/// An outcome in words.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
        Outcome::NotRun => "not run",
        Outcome::CouldNotRun => "could not run",
    }
}

/// What was run, in a few words.
pub fn title(run: &RunRecord) -> String {
    let tests: Vec<_> = run.tests.iter().map(|test| test.name.as_str()).collect();
    let scale = if run.time_scale == 1.0 {
        String::new()
    } else {
        format!(" at time scale {}", run.time_scale)
    };
    format!(
        "{} {}{scale} on {}",
        run.profile,
        tests.join(", "),
        run.target.base_url
    )
}
