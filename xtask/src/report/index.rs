//! `index.html`: all runs, the newest first, and the trends of comparable ones.

mod trends;

use minijinja::value::Serde;
use minijinja::{Value, context};

use super::runs::{FoundRun, Runs};
use super::template;
use super::text::Text;
use super::view::{self, Tone};
use crate::history::Accepted;
use crate::record::{Measure, PastState, TestRecord, percent};

/// Writes the page of all `runs`; `accepted` are the changes at which a new level begins.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn index_page(runs: &Runs, accepted: Vec<Accepted>) -> anyhow::Result<String> {
    let rows: Vec<Value> = runs.found.iter().rev().map(row).collect();
    let skipped: Vec<Text> = runs.skipped.iter().map(Text::from).collect();
    template::fill(
        "index.html",
        context! { runs => rows, trends => trends::of(runs, accepted), skipped },
    )
}

fn row(found: &FoundRun) -> Value {
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
        started => view::when(&run.started_at),
        profile => Text::from(run.profile.clone() + &view::scales(run.time_scale, run.vus_scale)),
        revision => Text::from(revision),
        tests,
    }
}

fn test(test: &TestRecord) -> Value {
    let mut past = test.past.iter().flat_map(|past| &past.metrics);
    let p95 = past.rfind(|row| row.metric == Measure::p95_of_requests());
    let is_worse = p95.is_some_and(|row| row.state == PastState::Regression);
    let change = p95.and_then(|row| row.change).map(percent);
    context! {
        tone => Serde(Tone::of(test.outcome)),
        verdict => view::outcome(test.outcome),
        name => Text::from(&test.name),
        p95 => view::p95_text(test).unwrap_or_default(),
        change => change.unwrap_or_default(),
        worse => if is_worse { "bad-text" } else { "" },
        cpu => view::cpu_text(test).unwrap_or_default(),
    }
}
