//! A load test's annotations, outputs and summary.

use super::{Level, OUTPUTS, annotate, on, output, summary, told};
use crate::results::{Outcome, PastState, RunRecord, TestRecord};
use crate::secret::Secret;

/// Hands over what came of a run whose results are at `folder`; nothing outside of GitHub Actions.
pub fn report(run: &RunRecord, folder: &std::path::Path, markdown: &str, key: &Secret) {
    if !on() {
        return;
    }
    told();
    for (level, title, message) in annotations(run) {
        annotate(level, &title, &key.scrub(&message));
    }
    let values = [
        verdict(run.outcome).to_owned(),
        folder.display().to_string(),
        key.scrub(&regressions(run)).into_owned(),
    ];
    for (name, value) in OUTPUTS.into_iter().zip(values) {
        output(name, &value);
    }
    summary(&format!("{}{}", key.scrub(markdown), links()));
}

/// An outcome as a word for other steps.
fn verdict(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
        Outcome::NotRun | Outcome::CouldNotRun => "could_not_run",
    }
}

/// What is shown at the top of the page, the most telling first: GitHub shows ten of each level for a step.
fn annotations(run: &RunRecord) -> Vec<(Level, String, String)> {
    let mut out = Vec::new();
    let of_tests: usize = run.tests.iter().map(|test| test.reasons.len()).sum();
    // What is no test's reason is the whole run's, and stands before them.
    for reason in &run.reasons[..run.reasons.len().saturating_sub(of_tests)] {
        out.push((Level::Error, run.profile.clone(), reason.clone()));
    }
    for test in &run.tests {
        let title = format!("{} {}", run.profile, test.name);
        for reason in &test.reasons {
            out.push((Level::Error, title.clone(), reason.clone()));
        }
        for (state, text) in past(test) {
            let told = test.reasons.iter().any(|reason| reason.contains(&text.0));
            match state {
                PastState::Regression if !told => {
                    out.push((Level::Error, title.clone(), text.1));
                }
                PastState::NotConfirmed => out.push((
                    Level::Warning,
                    title.clone(),
                    format!("{}; not confirmed when measured once more", text.1),
                )),
                _ => {}
            }
        }
    }
    for notice in &run.notices {
        out.push((Level::Notice, run.profile.clone(), notice.clone()));
    }
    out
}

/// The metrics of a test beside their past: state, name, and a sentence.
fn past(test: &TestRecord) -> impl Iterator<Item = (PastState, (String, String))> {
    let rows = test.past.iter().flat_map(|past| &past.metrics);
    rows.map(|row| {
        (
            row.state,
            (row.metric.clone(), crate::report::past_sentence(row)),
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

/// Links from the summary to where more is to be had.
fn links() -> String {
    let variable = |name| {
        std::env::var(name)
            .ok()
            .filter(|text: &String| !text.is_empty())
    };
    let Some((server, repository)) =
        variable("GITHUB_SERVER_URL").zip(variable("GITHUB_REPOSITORY"))
    else {
        return String::new();
    };
    let repository = format!("{server}/{repository}");
    let mut links = Vec::new();
    if let Some(run) = variable("GITHUB_RUN_ID") {
        links.push(format!(
            "[all results]({repository}/actions/runs/{run}#artifacts)"
        ));
    }
    if let Some(commit) = variable("GITHUB_SHA") {
        links.push(format!("[commit]({repository}/commit/{commit})"));
        links.push(format!(
            "[how to read this]({repository}/blob/{commit}/load-tests/ci.md)"
        ));
    }
    format!("\n{}\n", links.join(" · "))
}
