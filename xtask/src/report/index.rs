//! `index.html`: all runs, the newest first, and the trends of comparable ones.

mod trends;

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::runs::{Found, Runs};
use super::template;
use super::text::Text;
use super::view::{self, Tone};
use crate::record::TestRecord;

/// Writes the page of all `runs`.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn index_page(runs: &Runs) -> anyhow::Result<String> {
    let rows: Vec<Value> = runs.found.iter().rev().map(row).collect();
    let skipped: Vec<Text> = runs.skipped.iter().map(Text::from).collect();
    template::fill(
        "index.html",
        context! { runs => rows, trends => trends::of(runs), skipped },
    )
}

fn row(found: &Found) -> Value {
    let run = &found.record;
    let revision = run.revision.as_ref();
    let commit = revision.map(|it| it.commit.as_str());
    let revision = view::revision(commit, revision.is_some_and(|it| it.dirty));
    let tests: Vec<Value> = run.tests.iter().map(test).collect();
    context! {
        tone => Serde(Tone::of(run.outcome)),
        verdict => view::outcome(run.outcome),
        folder => Text::from(&found.folder),
        has_page => found.has_page,
        begun => view::when(&run.started_at),
        profile => Text::from(run.profile.clone() + &view::scales(run.time_scale, run.vus_scale)),
        revision => Text::from(revision),
        tests,
    }
}

fn test(test: &TestRecord) -> Value {
    context! {
        tone => Serde(Tone::of(test.outcome)),
        name => Text::from(&test.name),
        p95 => view::p95_text(test),
        cpu => view::cpu_text(test).unwrap_or_else(|| "–".into()),
    }
}
