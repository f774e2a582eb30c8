//! A load test's annotations, outputs and summary.

use std::path::Path;

use super::{Annotation, Handover, hand_over};
use crate::actions::{Level, on};
use crate::record::{Outcome, PastState, RunRecord, TestRecord};
use crate::secret::Secret;

/// Hands over what came of a run whose results are at `folder`; nothing outside of GitHub Actions.
pub fn report(run: &RunRecord, folder: &Path, markdown: &str, key: &Secret) {
    if !on() {
        return;
    }
    let annotations = annotations(run);
    let annotations = annotations.into_iter().map(|mut annotation| {
        annotation.message = key.scrub(&annotation.message).into_owned();
        annotation
    });
    hand_over(&Handover {
        verdict: verdict(run.outcome),
        results: folder,
        regressions: &key.scrub(&regressions(run)),
        annotations: annotations.collect(),
        summary: &key.scrub(markdown),
    });
}

/// An outcome as a word for other steps.
pub(super) fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
        Outcome::NotRun | Outcome::CouldNotRun => "could_not_run",
    }
}

/// What is shown at the top of the page, the most telling first: GitHub shows ten of each level for a step.
fn annotations(run: &RunRecord) -> Vec<Annotation> {
    let mut out = Vec::new();
    let mut add = |level, title: &str, message: String| {
        out.push(Annotation {
            level,
            title: title.to_owned(),
            message,
        });
    };
    let of_tests: usize = run.tests.iter().map(|test| test.reasons.len()).sum();
    // What is no test's reason is the whole run's, and stands before them.
    for reason in &run.reasons[..run.reasons.len().saturating_sub(of_tests)] {
        add(Level::Error, &run.profile, reason.clone());
    }
    for test in &run.tests {
        let title = format!("{} {}", run.profile, test.name);
        for reason in &test.reasons {
            add(Level::Error, &title, reason.clone());
        }
        for (state, text) in past(test) {
            let told = test.reasons.iter().any(|reason| reason.contains(&text.0));
            match state {
                PastState::Regression if !told => {
                    add(Level::Error, &title, text.1);
                }
                PastState::NotConfirmed => add(
                    Level::Warning,
                    &title,
                    format!("{}; not confirmed when measured once more", text.1),
                ),
                _ => {}
            }
        }
    }
    for notice in &run.notices {
        add(Level::Notice, &run.profile, notice.clone());
    }
    out
}

/// The metrics of a test beside their past: state, name, and a sentence.
fn past(test: &TestRecord) -> impl Iterator<Item = (PastState, (String, String))> {
    let rows = test.past.iter().flat_map(|past| &past.metrics);
    rows.map(|row| {
        (
            row.state,
            (row.metric.to_string(), crate::report::past_sentence(row)),
        )
    })
}

/// The regressions against the past, one a line.
fn regressions(run: &RunRecord) -> String {
    let lines = run.tests.iter().flat_map(|test| {
        past(test)
            .filter(|(state, _)| *state == PastState::Regression)
            .map(move |(_, (_, text))| format!("{}: {text}", test.name))
    });
    lines.collect::<Vec<_>>().join("\n")
}
