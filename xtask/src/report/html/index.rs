//! `index.html`: all runs, the newest first, and the trends of comparable ones.

use std::collections::BTreeMap;

use k6_summary::Quantity;
use load_charts::Spark;
use minijinja::Value;
use serde::Serialize;

use super::words::{Badge, badge};
use super::{page, safe};
use crate::record::{Outcome, RunRecord, TestRecord};
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
            profile: profile(run),
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

fn profile(run: &RunRecord) -> String {
    if run.time_scale == 1.0 {
        run.profile.clone()
    } else {
        format!("{} × {}", run.profile, run.time_scale)
    }
}

fn revision(run: &RunRecord) -> String {
    run.revision.as_ref().map_or_else(String::new, |revision| {
        let short: String = revision.commit.chars().take(9).collect();
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

/// The trends by what runs must share to be comparable.
fn trends(past: &PastRuns) -> Vec<Trend> {
    let mut groups: BTreeMap<(String, String), Vec<&TestRecord>> = BTreeMap::new();
    for found in &past.runs {
        let run = &found.record;
        let key = shared(run);
        let measured = run.tests.iter().filter(|test| {
            matches!(test.outcome, Outcome::Passed | Outcome::Failed) && test.metrics.is_some()
        });
        for test in measured {
            let name = format!("{} {}", profile(run), test.name);
            groups.entry((name, key.clone())).or_default().push(test);
        }
    }
    let trend = |((name, shared), tests): ((String, String), Vec<&TestRecord>)| {
        let recent = &tests[tests.len().saturating_sub(MOST)..];
        Trend {
            p95: curve(
                &format!("p95 of requests, {name}"),
                recent.iter().map(|test| p95(test)),
                milliseconds,
            ),
            cpu: curve(
                &format!("server CPU per request, {name}"),
                recent.iter().map(|test| cpu(test)),
                microseconds,
            ),
            name,
            r#where: shared,
            runs: tests.len(),
        }
    };
    groups.into_iter().map(trend).collect()
}

/// What runs must share to be compared, beside profile, time scale and test.
fn shared(run: &RunRecord) -> String {
    let mut version = run.k6.version.splitn(3, '.');
    let k6 = [version.next(), version.next()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(".");
    let target = match &run.server {
        Some(server) => serde_json::to_value(server.kind).ok().and_then(|kind| {
            kind.as_str()
                .map(|kind| format!("server {}, ", kind.replace('_', " ")))
        }),
        None => None,
    };
    let args = if run.k6_args.is_empty() {
        String::new()
    } else {
        format!(", {}", run.k6_args.join(" "))
    };
    format!(
        "{}k6 {k6}, {}{args}",
        target.unwrap_or_default(),
        run.host.fingerprint
    )
}

fn curve(name: &str, values: impl Iterator<Item = Option<f64>>, text: fn(f64) -> String) -> Curve {
    let values: Vec<f64> = values.map(|value| value.unwrap_or(f64::NAN)).collect();
    let known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    let (Some(newest), true) = (known.last().copied(), !values.is_empty()) else {
        return Curve {
            chart: safe(String::new()),
            newest: none(),
        };
    };
    let least = known.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let label = format!(
        "{name}: {} runs from {} to {}, the newest {}",
        known.len(),
        text(least),
        text(greatest),
        text(newest)
    );
    Curve {
        chart: safe(
            Spark {
                label: &label,
                values: &values,
            }
            .svg(),
        ),
        newest: text(newest),
    }
}
