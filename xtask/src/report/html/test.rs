//! One test's part of the run's page.

use std::path::Path;
use std::time::Duration;

use k6_summary::{Quantity, Unit};
use load_charts::BoundBar;
use minijinja::Value;
use serde::Serialize;

use super::past::{self, PastPart};
use super::run::{Link, links, nothing};
use super::words::{Badge, badge, mark};
use super::{charts, safe};
use crate::k6::short;
use crate::record::TestRecord;
use crate::report::rows::{self, Mark, Row};
use crate::report::series::Series;
use crate::report::usage::Usage;

const MIB: f64 = 1_048_576.0;

/// What the page shows of a test.
#[derive(Serialize)]
pub struct Part {
    #[serde(flatten)]
    verdict: Badge,
    name: String,
    load: String,
    k6_exit: Option<String>,
    reasons: Vec<String>,
    overview: Vec<String>,
    thresholds: Vec<Judged>,
    checks: Vec<Judged>,
    past: Option<PastPart>,
    trends: Vec<Trend>,
    counts: Vec<(&'static str, String)>,
    charts: Vec<Value>,
    chart_notes: Vec<String>,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Judged {
    glyph: &'static str,
    class: &'static str,
    word: &'static str,
    what: String,
    bound: String,
    value: String,
    bar: Value,
}

#[derive(Serialize)]
struct Trend {
    name: String,
    cells: [String; 7],
}

/// The part of `test`, whose files are in the run's `folder`.
pub fn part(test: &TestRecord, folder: &Path, usage: Option<&Usage>) -> Part {
    let begun = test.started_at.is_some();
    let series = Series::read(&folder.join(&test.name).join("report.html"));
    let over_time = charts::over_time(test, series.as_ref().ok(), usage);
    let problem = series
        .err()
        .filter(|_| begun)
        .map(|why| format!("Requests over time are not shown: {why}."));
    let (judged, checks) = judged(test);
    Part {
        verdict: badge(test.outcome),
        name: test.name.clone(),
        load: load(test),
        k6_exit: test.k6_exit.clone(),
        reasons: test.reasons.clone(),
        overview: overview(test),
        thresholds: judged,
        checks,
        past: test.past.as_ref().map(past::part),
        trends: trends(test),
        counts: counts(test),
        charts: over_time
            .into_iter()
            .map(|chart| safe(chart.svg()))
            .collect(),
        chart_notes: problem.into_iter().collect(),
        links: links(
            folder,
            &test.name,
            &[
                ("report.html", "k6's own dashboard"),
                ("summary.json", "k6's summary"),
                ("k6.log", "k6's log"),
            ],
        ),
    }
}

/// What was counted; latencies and checks have tables of their own.
fn counts(test: &TestRecord) -> Vec<(&'static str, String)> {
    let mut counts = rows::measured(test);
    counts.retain(|(what, _)| !matches!(*what, "p50 / p95 / p99" | "checks"));
    counts
}

fn load(test: &TestRecord) -> String {
    let users = format!(
        "up to {} virtual user{}",
        test.max_vus,
        if test.max_vus == 1 { "" } else { "s" }
    );
    match test.duration_s {
        Some(s) => format!(
            "{users}, {}",
            short(Duration::try_from_secs_f64(s).unwrap_or_default())
        ),
        None => users,
    }
}

fn overview(test: &TestRecord) -> Vec<String> {
    let none = || "–".to_owned();
    let metrics = test.metrics.as_ref();
    let p95 = metrics
        .and_then(|m| m.http_req_duration.as_ref())
        .and_then(|trend| Some(Quantity::new(trend.p95?, trend.unit)));
    let usage = test.server_usage.as_ref();
    vec![
        metrics.map_or_else(none, |m| {
            Quantity::new(m.http_requests as f64, Unit::Count).to_string()
        }),
        metrics.map_or_else(none, |m| {
            Quantity::new(m.http_requests_per_second, Unit::PerSecond).to_string()
        }),
        metrics
            .and_then(|m| m.http_failed_ratio)
            .map_or_else(none, |share| Quantity::new(share, Unit::Ratio).to_string()),
        p95.map_or_else(none, |p95| p95.to_string()),
        usage
            .and_then(|u| u.cpu_us_per_request)
            .map_or_else(none, |us| format!("{us:.0} µs")),
        usage.map_or_else(none, |u| {
            format!("{:.1} MiB", u.peak_rss_bytes as f64 / MIB)
        }),
    ]
}

/// Thresholds and growth with bars, and checks.
fn judged(test: &TestRecord) -> (Vec<Judged>, Vec<Judged>) {
    let (thresholds, growth) = (test.thresholds.len(), test.growth.len());
    let thresholds_have = test.thresholds.iter().map(|row| row.value.zip(row.bound));
    let growth_has = test.growth.iter().map(|row| {
        row.per_hour
            .zip(row.bound_per_hour)
            .filter(|_| row.ok.is_some())
    });
    let mut all = rows::judged(test);
    // As `rows::judged` has them: thresholds, then checks, then growth.
    let last = all.split_off(all.len() - growth);
    let checks = all.split_off(thresholds);
    let judged = all
        .into_iter()
        .zip(thresholds_have)
        .chain(last.into_iter().zip(growth_has));
    (
        judged.map(|(row, numbers)| one(row, numbers)).collect(),
        checks
            .into_iter()
            .map(|row| {
                one(
                    Row {
                        what: row.what.trim_start_matches("check ").to_owned(),
                        ..row
                    },
                    None,
                )
            })
            .collect(),
    )
}

fn one(row: Row, numbers: Option<(f64, f64)>) -> Judged {
    let (glyph, class, word) = mark(row.mark);
    let label = format!("{}: {}, bound {}, {word}", row.what, row.value, row.bound);
    let ok = match row.mark {
        Mark::Passed => Some(true),
        Mark::Failed => Some(false),
        Mark::NotEvaluated => None,
    };
    let numbers = numbers.filter(|_| ok.is_some());
    let bar = numbers.map(|(value, bound)| {
        safe(
            BoundBar {
                label: &label,
                value,
                bound,
                ok,
            }
            .svg(),
        )
    });
    Judged {
        glyph,
        class,
        word,
        what: row.what,
        bound: row.bound,
        value: row.value,
        bar: bar.unwrap_or_else(nothing),
    }
}

fn trends(test: &TestRecord) -> Vec<Trend> {
    let Some(metrics) = &test.metrics else {
        return Vec::new();
    };
    let all = metrics
        .trends
        .iter()
        .filter(|(_, trend)| trend.count != Some(0));
    all.map(|(name, trend)| {
        let value = |value: Option<f64>| {
            value.map_or_else(
                || "–".to_owned(),
                |it| Quantity::new(it, trend.unit).to_string(),
            )
        };
        let count = trend.count.map_or_else(
            || "–".to_owned(),
            |n| Quantity::new(n as f64, Unit::Count).to_string(),
        );
        Trend {
            name: name.clone(),
            cells: [
                count,
                value(trend.min),
                value(trend.avg),
                value(trend.med),
                value(trend.p95),
                value(trend.p99),
                value(trend.max),
            ],
        }
    })
    .collect()
}
