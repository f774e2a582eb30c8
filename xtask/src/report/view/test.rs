//! What a report says of one test.

use std::path::Path;

use k6_summary::{
    CheckRow, DEFAULT_MIN_CHECKS, Quantity, ThresholdRow, ThresholdState, TrendDigest, Unit,
};

use super::{
    Heads, Row, Section, Table, Tone, capacity, endpoints, functions, known, lines, micros,
    most_telling, number, outcome, past, runners, tails, took,
};
use crate::history::Trend;
use crate::record::{GrowthRow, Outcome, TestRecord, plural};
use crate::report::over_time::{Curves, Usage, distribution, over_time};
use crate::report::view::run::files;

const MIB: f64 = 1_048_576.0;
/// The share of failed requests above which durations say nothing: an error page is quick.
const MOSTLY_FAILED: f64 = 0.5;
/// The most points of a chart in Markdown: more are not to be told apart on a phone.
const MOST_POINTS: usize = 30;

/// What the report says of `test`, whose files are in the run's `folder`.
pub fn section(
    test: &TestRecord,
    trend: Option<&Trend>,
    folder: &Path,
    usage: Option<&Usage>,
) -> Section {
    if let Some(found) = &test.capacity {
        return capacity::section(test, found, folder);
    }
    let curves = Curves::read(&folder.join(&test.name));
    let before = trend.and_then(|trend| trend.before_in(folder));
    let before = before.map(|run| Curves::read(&run.join(&test.name)));
    let missing = curves
        .dashboard
        .as_ref()
        .err()
        .filter(|_| test.started_at.is_some());
    let took = test.duration_s.map(|s| format!(", {}", took(s)));
    let exit = test.k6_exit.as_ref().map(|exit| format!(" · {exit}"));
    Section {
        name: test.name.as_str().into(),
        outcome: Some(test.outcome),
        tone: Tone::of(test.outcome),
        verdict: outcome(test.outcome).into(),
        line: format!(
            "up to {}{}{}",
            plural(test.max_vus, "virtual user"),
            took.unwrap_or_default(),
            exit.unwrap_or_default()
        )
        .into(),
        brief: brief(test).into(),
        reasons: lines(&test.reasons),
        judged: judged(test),
        endpoints: endpoints::table(test),
        runners: runners::table(test),
        measured: measured(test),
        compared: test.past.as_ref().map(past::table).unwrap_or_default(),
        functions: test
            .profile
            .iter()
            .filter(|it| it.samples > 0)
            .map(functions::profile)
            .collect(),
        details: trends(test).into_iter().collect(),
        distribution: distribution(&curves, before.as_ref()),
        charts: over_time(test, &curves, before.as_ref(), usage),
        charts_note: missing
            .map(|why| format!("Requests over time are not shown: {why}."))
            .unwrap_or_default()
            .into(),
        p95_ms: trend
            .filter(|_| test.outcome != Outcome::NotRun)
            .map(|trend| trend.values[trend.values.len().saturating_sub(MOST_POINTS)..].to_vec())
            .unwrap_or_default(),
        links: files(
            folder,
            &test.name,
            &[
                ("report.html", "k6's own dashboard"),
                ("flame.svg", "flame graph of the server's CPU time"),
                ("summary.json", "k6's summary"),
                ("k6.log", "k6's log"),
            ],
        ),
        at: test.started_at.as_deref().unwrap_or_default().into(),
        seconds: test.duration_s.unwrap_or_default(),
        ..Section::default()
    }
}

fn judged(test: &TestRecord) -> Table {
    let meaningless = meaningless(test);
    let thresholds = test
        .thresholds
        .iter()
        .map(|row| threshold(row, meaningless.as_deref()));
    let checks = test.checks.iter().map(|row| check(row, test)).collect();
    Table {
        title: "Thresholds, checks and growth".into(),
        heads: Heads {
            what: "Threshold or check",
            value: "Value",
            bound: "Bound",
            more: &[],
        },
        rows: thresholds
            .chain(most_telling(checks))
            .chain(test.growth.iter().map(growth))
            .collect(),
        hint: "The bar is the value, the vertical line its bound.",
        ..Table::default()
    }
}

fn threshold(row: &ThresholdRow, meaningless: Option<&str>) -> Row {
    let aggregation = row.aggregation.as_deref().unwrap_or(&row.expression);
    let own = row.note.as_deref();
    let (tone, note) = match (row.state, meaningless) {
        (ThresholdState::Crossed, _) => (Tone::Bad, own.unwrap_or_default()),
        (ThresholdState::Undecided, _) => (Tone::Bad, "undecided: --exact decides"),
        (ThresholdState::NotEvaluated, _) => {
            (Tone::Open, own.unwrap_or("not evaluated: no samples"))
        }
        (ThresholdState::Passed, Some(why)) if row.unit == Unit::Milliseconds => (Tone::Open, why),
        (ThresholdState::Passed, _) => (Tone::Good, own.unwrap_or_default()),
    };
    let interval = row.interval_text().map(|it| format!("certainly {it}"));
    let notes = interval.iter().map(String::as_str).chain([note]);
    let note = notes
        .filter(|it| !it.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    let value = match row.state {
        ThresholdState::NotEvaluated => "–".into(),
        _ => row.value_text().unwrap_or_else(|| "unknown".into()),
    };
    Row {
        tone,
        what: format!("{} {aggregation}", row.metric).into(),
        bound: row.bound_text().into(),
        value: value.into(),
        note: note.into(),
        ..Row::default()
    }
    .with_bar(row.value, row.bound)
}

/// One check. That some of its answers were wrong fails no test: only a check that never passed does, or too small a
/// share of all of them.
fn check(row: &CheckRow, test: &TestRecord) -> Row {
    let too_few = || {
        let mut rows = test.thresholds.iter();
        // Ours stands behind those of the script; older records have none.
        let ours = rows.rfind(|row| row.metric == "checks");
        let sum = |part: fn(&CheckRow) -> u64| test.checks.iter().map(part).sum::<u64>() as f64;
        ours.map_or_else(
            || sum(|check| check.passes) < DEFAULT_MIN_CHECKS * sum(CheckRow::total),
            |row| row.state == ThresholdState::Crossed,
        )
    };
    let (tone, note) = match (row.passes, row.fails) {
        (0, 0) => (Tone::Open, "never made"),
        (_, 1..) if test.outcome == Outcome::CouldNotRun => {
            (Tone::Open, "says nothing: the test could not be measured")
        }
        (_, 0) => (Tone::Good, ""),
        (0, _) => (Tone::Bad, "never passed"),
        _ if test.outcome != Outcome::Passed && too_few() => (Tone::Bad, ""),
        _ => (
            Tone::Warn,
            "failed sometimes; the share of all checks decides",
        ),
    };
    Row {
        tone,
        what: format!("check {}", row.name).into(),
        value: format!("{} of {}", row.passes, row.total()).into(),
        note: note.into(),
        ..Row::default()
    }
}

fn growth(row: &GrowthRow) -> Row {
    let amount = |value: f64| format!("{value:.1} {}/h", row.unit);
    let judged = row.per_hour.filter(|_| row.ok.is_some());
    Row {
        tone: match row.ok {
            Some(true) => Tone::Good,
            Some(false) => Tone::Bad,
            None => Tone::Open,
        },
        what: format!("{} growth", row.resource).into(),
        bound: row
            .bound_per_hour
            .map_or_else(|| "none".into(), |bound| format!("≤ {}", amount(bound)))
            .into(),
        value: known(judged.map(amount)),
        note: match judged {
            Some(_) => row.note.as_str().into(),
            None => format!("not evaluated: {}", row.note).into(),
        },
        ..Row::default()
    }
    .with_bar(judged, row.bound_per_hour)
}

/// Why the durations of a test say nothing, if so.
fn meaningless(test: &TestRecord) -> Option<String> {
    let failed = test.metrics.as_ref()?.http_failed_ratio?;
    (failed > MOSTLY_FAILED).then(|| {
        format!(
            "says nothing: {} of requests failed",
            Quantity::new(failed, Unit::Ratio)
        )
    })
}

/// How long requests took; `None` without any.
fn durations(test: &TestRecord) -> Option<&TrendDigest> {
    test.metrics.as_ref()?.http_req_duration.as_ref()
}

/// The 95th percentile of requests as it reads, unless it says nothing since most of them failed.
pub fn p95_text(test: &TestRecord) -> Option<String> {
    let telling = durations(test).filter(|_| meaningless(test).is_none());
    let p95 = telling.and_then(|trend| trend.p95);
    p95.map(|ms| Quantity::new(ms, Unit::Milliseconds).to_string())
}

fn requests(test: &TestRecord) -> Option<String> {
    let metrics = test.metrics.as_ref().filter(|it| it.http_requests > 0)?;
    let rate = Quantity::new(metrics.http_requests_per_second, Unit::PerSecond);
    Some(format!(
        "{} at {rate}, {} failed",
        metrics.http_requests, metrics.http_requests_failed
    ))
}

/// The figures that are worth a line: how much was asked, how much of it failed, and how long it took.
fn brief(test: &TestRecord) -> String {
    let mut parts = Vec::new();
    if let Some(metrics) = &test.metrics {
        if metrics.http_requests > 0 {
            let rate = Quantity::new(metrics.http_requests_per_second, Unit::PerSecond);
            let requests = plural(metrics.http_requests, "request");
            parts.push(format!("{requests} at {rate}"));
        }
        if metrics.ws_sessions > 0 {
            parts.push(plural(metrics.ws_sessions, "WebSocket session"));
        }
        let failed = metrics.http_failed_ratio.filter(|share| *share > 0.0);
        parts.extend(failed.map(|share| format!("{} failed", Quantity::new(share, Unit::Ratio))));
        if durations(test).is_some() && meaningless(test).is_none() {
            parts.push(format!("p95 {}", known(p95_text(test))));
        }
    }
    parts.extend(test.duration_s.map(took));
    parts.join(", ")
}

/// The server's CPU time per request as it reads.
pub fn cpu_text(test: &TestRecord) -> Option<String> {
    let us = test.server_usage.as_ref()?.cpu_us_per_request?;
    Some(micros(us))
}

fn measured(test: &TestRecord) -> Table {
    let mut rows = Vec::new();
    if let Some(metrics) = &test.metrics {
        rows.extend(requests(test).map(|text| Row::measured("requests", text)));
        rows.extend(durations(test).map(|trend| Row {
            note: meaningless(test).unwrap_or_default().into(),
            ..Row::measured("p50 / p95 / p99", tails([trend.med, trend.p95, trend.p99]))
        }));
        if metrics.ws_sessions > 0 {
            let text = format!(
                "{} sessions, {} messages received, {} sent",
                metrics.ws_sessions, metrics.ws_messages_received, metrics.ws_messages_sent
            );
            rows.push(Row::measured("WebSocket", text));
        }
        let checks = metrics.checks_passed + metrics.checks_failed;
        let passed = format!("{} of {checks} passed", metrics.checks_passed);
        rows.push(Row::measured("checks", passed));
        let iterations = format!(
            "{}, up to {}",
            metrics.iterations,
            plural(test.max_vus, "virtual user")
        );
        rows.push(Row::measured("iterations", iterations));
    }
    if let Some(usage) = &test.server_usage {
        let each = cpu_text(test).map_or_else(String::new, |cpu| format!(", {cpu} per request"));
        rows.push(Row::measured(
            "server CPU",
            format!("{:.2} s{each}", usage.cpu_s),
        ));
        let memory = usage.peak_rss_bytes as f64 / MIB;
        let text = format!(
            "{memory:.1} MiB, {} threads, {} open files",
            usage.max_threads, usage.max_open_files
        );
        rows.push(Row::measured("server peak", text));
    }
    Table {
        title: "Measured".into(),
        heads: Heads {
            what: "What",
            value: "Measured",
            ..Heads::default()
        },
        rows,
        ..Table::default()
    }
}

/// The heads of [`overview`].
pub const OVERVIEW: Heads = Heads {
    what: "Test",
    value: "",
    bound: "",
    more: &[
        "p50 / p95 / p99",
        "Requests",
        "CPU per request",
        "Peak memory",
    ],
};

/// A test in one row.
pub fn overview(test: &TestRecord) -> Row {
    let memory = test.server_usage.as_ref();
    let memory = memory.map(|usage| format!("{:.1} MiB", usage.peak_rss_bytes as f64 / MIB));
    let cells = [
        durations(test)
            .filter(|_| meaningless(test).is_none())
            .map(|trend| tails([trend.med, trend.p95, trend.p99])),
        requests(test),
        cpu_text(test),
        memory,
    ];
    Row {
        tone: Tone::of(test.outcome),
        what: test.name.as_str().into(),
        more: cells.map(known).into(),
        ..Row::default()
    }
}

/// Every duration that has samples.
fn trends(test: &TestRecord) -> Option<Table> {
    let all = test.metrics.iter().flat_map(|metrics| &metrics.trends);
    let rows: Vec<Row> = all
        .filter(|(_, trend)| trend.count != Some(0))
        .map(|(name, trend)| {
            let value = |value| number(value, trend.unit).into();
            Row {
                what: name.as_str().into(),
                value: number(trend.count.map(|n| n as f64), Unit::Count).into(),
                more: [
                    trend.min, trend.avg, trend.med, trend.p95, trend.p99, trend.max,
                ]
                .map(value)
                .into(),
                ..Row::default()
            }
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: match meaningless(test) {
            Some(why) => format!("Durations ({why})").into(),
            None => "Durations".into(),
        },
        heads: Heads {
            what: "Metric",
            value: "Count",
            more: &["Least", "Mean", "p50", "p95", "p99", "Greatest"],
            ..Heads::default()
        },
        rows,
        ..Table::default()
    })
}
