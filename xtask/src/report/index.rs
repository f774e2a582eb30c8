//! `index.html`: all runs, the newest first, and the trends of comparable ones.

mod trends;

use serde::Serialize;

use super::runs::Runs;
use super::template;
use super::text::Text;
use super::view::{self, Tone};
use crate::record::{RunRecord, TestRecord};
use trends::Trend;

#[derive(Serialize)]
struct Page {
    runs: Vec<Run>,
    trends: Vec<Trend>,
    skipped: Vec<Text>,
}

#[derive(Serialize)]
struct Run {
    tone: Tone,
    verdict: &'static str,
    page: Option<Text>,
    record: Text,
    begun: Text,
    profile: Text,
    revision: Text,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    tone: Tone,
    name: Text,
    p95: Text,
    cpu: Text,
}

/// Writes the page of all `runs`.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn index_page(runs: &Runs) -> anyhow::Result<String> {
    let rows = runs.found.iter().rev().map(|found| {
        let run = &found.record;
        let page = format!("{}/report.html", found.folder);
        Run {
            tone: Tone::of(run.outcome),
            verdict: view::outcome(run.outcome),
            page: found.has_page.then(|| page.into()),
            record: format!("{}/run.json", found.folder).into(),
            begun: run
                .started_at
                .replace('T', " ")
                .trim_end_matches('Z')
                .into(),
            profile: profile(&run.profile, run.time_scale).into(),
            revision: revision(run).into(),
            tests: run.tests.iter().map(test).collect(),
        }
    });
    template::fill(
        "index.html",
        Page {
            runs: rows.collect(),
            trends: trends::of(runs),
            skipped: runs.skipped.iter().map(Text::from).collect(),
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
        let short: String = revision.commit.chars().take(9).collect();
        format!("{short}{}", if revision.dirty { "+" } else { "" })
    })
}

fn test(test: &TestRecord) -> Test {
    let none = || "–".to_owned();
    Test {
        tone: Tone::of(test.outcome),
        name: test.name.as_str().into(),
        p95: view::durations(test)
            .map_or_else(none, |all| all.p95_text())
            .into(),
        cpu: view::cpu_text(test).unwrap_or_else(none).into(),
    }
}
