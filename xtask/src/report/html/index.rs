//! `index.html`: all runs, the newest first, and the trends of comparable ones.

use k6_summary::Quantity;
use load_charts::Spark;
use minijinja::Value;
use serde::Serialize;

use super::words::{Badge, badge};
use super::{page, safe};
use crate::history::{self, Key, Past};
use crate::record::{Measure, RunRecord, TestRecord, short_commit};
use crate::report::history::words;
use crate::report::past_runs::PastRuns;
use k6_summary::Unit;

/// How many runs a trend shows at most.
const MOST: usize = 60;

#[derive(Serialize)]
struct Page<'a> {
    runs: Vec<Run>,
    trends: Vec<Trend>,
    skipped: &'a [String],
}

#[derive(Serialize)]
struct Run {
    #[serde(flatten)]
    verdict: Badge,
    page: Option<String>,
    record: String,
    begun: String,
    profile: String,
    revision: String,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    glyph: &'static str,
    name: String,
    p95: String,
    cpu: String,
}

#[derive(Serialize)]
struct Trend {
    name: String,
    r#where: String,
    runs: usize,
    p95: Curve,
    cpu: Curve,
}

#[derive(Serialize)]
struct Curve {
    chart: Value,
    newest: String,
}

/// Writes the page of all `past` runs.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn index_page(past: &PastRuns) -> anyhow::Result<String> {
    let runs = past.runs.iter().rev().map(|found| {
        let run = &found.record;
        Run {
            verdict: badge(run.outcome),
            page: found
                .has_page
                .then(|| format!("{}/report.html", found.folder)),
            record: format!("{}/run.json", found.folder),
            begun: run
                .started_at
                .replace('T', " ")
                .trim_end_matches('Z')
                .to_owned(),
            profile: profile(&run.profile, run.time_scale),
            revision: revision(run),
            tests: run.tests.iter().map(test).collect(),
        }
    });
    page(
        "index.html",
        Page {
            runs: runs.collect(),
            trends: trends(past),
            skipped: &past.skipped,
        },
    )
}

fn profile(name: &str, time_scale: f64) -> String {
    if time_scale == 1.0 {
        name.to_owned()
    } else {
        format!("{name} × {time_scale}")
    }
}

fn revision(run: &RunRecord) -> String {
    run.revision.as_ref().map_or_else(String::new, |revision| {
        let short = short_commit(&revision.commit);
        format!("{short}{}", if revision.dirty { "+" } else { "" })
    })
}

fn test(test: &TestRecord) -> Test {
    Test {
        glyph: badge(test.outcome).glyph,
        name: test.name.clone(),
        p95: p95(test).map_or_else(none, milliseconds),
        cpu: cpu(test).map_or_else(none, microseconds),
    }
}

fn none() -> String {
    "–".into()
}

fn p95(test: &TestRecord) -> Option<f64> {
    test.metrics.as_ref()?.http_req_duration.as_ref()?.p95
}

fn cpu(test: &TestRecord) -> Option<f64> {
    test.server_usage.as_ref()?.cpu_us_per_request
}

fn milliseconds(value: f64) -> String {
    Quantity::new(value, Unit::Milliseconds).to_string()
}

fn microseconds(value: f64) -> String {
    format!("{value:.0} µs")
}

/// The trends of comparable runs, in the order in which they began.
fn trends(runs: &PastRuns) -> Vec<Trend> {
    let past = Past::of(runs.runs.iter().map(|found| &found.record));
    let keys = past.keys().into_iter().filter(|key| key.k6_args.is_empty());
    keys.map(|key| trend(&past, key)).collect()
}

fn trend(past: &Past, key: &Key) -> Trend {
    let name = format!("{} {}", profile(&key.profile, key.time_scale), key.test);
    let points = |measure| {
        let mut points = history::comparable_points(past, key, &measure);
        points.drain(..points.len().saturating_sub(MOST));
        points
    };
    let p95 = points(Measure::p95_of_requests());
    let cpu = points(Measure::CpuPerRequest);
    Trend {
        p95: curve(&format!("p95 of requests, {name}"), &p95, milliseconds),
        cpu: curve(&format!("server CPU per request, {name}"), &cpu, |ms| {
            microseconds(ms * 1e3)
        }),
        r#where: words::place(key),
        runs: past.comparable_with(key).count(),
        name,
    }
}

fn curve(name: &str, values: &[f64], text: fn(f64) -> String) -> Curve {
    let Some(newest) = values.last().copied() else {
        return Curve {
            chart: safe(String::new()),
            newest: none(),
        };
    };
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let label = format!(
        "{name}: {} runs from {} to {}, the newest {}",
        values.len(),
        text(least),
        text(greatest),
        text(newest)
    );
    Curve {
        chart: safe(
            Spark {
                label: &label,
                values,
            }
            .svg(),
        ),
        newest: text(newest),
    }
}
