//! What a run or a comparison hands over to GitHub when it is done: annotations, outputs, and the job's summary.

use std::path::Path;

use super::{OUTPUTS, annotate, output, summary};
use crate::actions::{Level, on};
use crate::record::Outcome;
use crate::report::{self, Document, Tone};
use crate::ui;

/// Hands over what `document` says; the results are in `folder`. Nothing outside of GitHub Actions.
pub fn hand_over(document: &Document, folder: &Path) {
    if !on() {
        return;
    }
    super::is_told();
    for (level, title, message) in annotations(document) {
        annotate(level, &title, &message);
    }
    let values = [
        verdict(document.outcome).to_owned(),
        folder.display().to_string(),
        regressions(document).join("\n"),
    ];
    for (name, value) in OUTPUTS.into_iter().zip(values) {
        output(name, &value);
    }
    match report::markdown(document) {
        Ok(markdown) => summary(&format!("{markdown}{}", links())),
        Err(error) => ui::notice(&format!("the job's summary is not written: {error:#}")),
    }
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

/// What is shown at the top of the page, level, title and message, the most telling first: GitHub shows ten of each level
/// for a step.
fn annotations(document: &Document) -> Vec<(Level, String, String)> {
    let mut out = Vec::new();
    let mut add = |level, title: &str, message: &str| {
        out.push((level, title.to_owned(), message.to_owned()));
    };
    for reason in &document.reasons {
        add(Level::Error, &document.subject, reason);
    }
    for one in &document.sections {
        let title = format!("{} {}", document.subject, one.name);
        let doubts = one.compared.rows.iter();
        for row in doubts.filter(|row| row.tone == Tone::Warn) {
            add(Level::Warning, &title, &row.sentence());
        }
    }
    for notice in &document.notices {
        add(Level::Notice, &document.subject, notice);
    }
    out
}

/// What is worse than its past or than its base, one a line.
fn regressions(document: &Document) -> Vec<String> {
    // A comparison's reasons are all about that, and some of them, such as a drift over many builds, stand in no row.
    if document.is_comparison && document.outcome == Outcome::Failed {
        let reasons = document.reasons.iter();
        return reasons.map(|reason| reason.replace('\n', " ")).collect();
    }
    let rows = document.sections.iter().flat_map(|one| {
        let worse = one.compared.rows.iter().filter(|row| row.tone == Tone::Bad);
        worse.map(move |row| format!("{}: {}", one.name, row.sentence()))
    });
    rows.collect()
}

/// Links from the summary to more.
fn links() -> String {
    let variable = |name| {
        let value = std::env::var(name).ok();
        value.filter(|text: &String| !text.is_empty())
    };
    let place = variable("GITHUB_SERVER_URL").zip(variable("GITHUB_REPOSITORY"));
    let Some((server, repository)) = place else {
        return String::new();
    };
    let repository = format!("{server}/{repository}");
    let run = variable("GITHUB_RUN_ID")
        .map(|run| format!("[all results]({repository}/actions/runs/{run}#artifacts)"));
    let commit = variable("GITHUB_SHA").map(|commit| {
        format!(
            "[commit]({repository}/commit/{commit}) · [how to read this]({repository}/blob/{commit}/load-tests/ci.md)"
        )
    });
    let links: Vec<String> = run.into_iter().chain(commit).collect();
    format!("\n{}\n", links.join(" · "))
}

#[cfg(test)]
mod tests {
    use k6_summary::Unit;

    use super::*;
    use crate::record::{Measure, PastRecord, PastRow, PastState, RunRecord};

    fn row(state: PastState) -> PastRow {
        PastRow {
            metric: Measure::p95_of_requests(),
            unit: Unit::Milliseconds,
            value: 12.0,
            reference: Some(10.0),
            change: Some(0.2),
            fence: Some(0.15),
            state,
            note: String::new(),
        }
    }

    /// What is shown of a failed run whose test has these reasons and this row against its past runs.
    fn shown(reasons: &[&str], state: PastState) -> Vec<String> {
        let mut run: RunRecord =
            serde_json::from_str(include_str!("../report/fixtures/run.json")).unwrap();
        run.outcome = Outcome::Failed;
        run.tests[0].outcome = Outcome::Failed;
        run.tests[0].reasons = reasons.iter().map(|&reason| reason.into()).collect();
        run.reasons = vec!["the disk is full".into()];
        run.reasons
            .extend(reasons.iter().map(|reason| format!("missions: {reason}")));
        run.notices = vec!["the server injects faults".into()];
        run.tests[0].past = Some(PastRecord {
            have: 31,
            need: 30,
            note: String::new(),
            metrics: vec![row(state)],
        });
        let document = report::run_view(&run, &[], Path::new("/nonexistent"));
        let all = annotations(&document).into_iter();
        all.map(|(level, title, message)| format!("{level:?} {title}: {message}"))
            .collect()
    }

    #[test]
    fn each_reason_is_told_once_the_worst_first_and_a_doubt_is_a_warning() {
        assert_eq!(
            shown(&["p95 of requests is 12 ms"], PastState::Regression),
            [
                "Error smoke: the disk is full",
                "Error smoke: missions: p95 of requests is 12 ms",
                "Notice smoke: the server injects faults",
            ]
        );
        let doubt = shown(&[], PastState::NotConfirmed);
        assert!(
            doubt[1].starts_with("Warning smoke missions: http_req_duration p(95): 12 ms"),
            "{doubt:?}"
        );
    }

    #[test]
    fn a_comparison_that_is_red_by_its_chain_alone_has_that_as_its_regression() {
        let drift = "missions: http_req_duration med has drifted by +7.1 %";
        let mut document = Document {
            is_comparison: true,
            outcome: Outcome::Failed,
            reasons: vec![drift.into()],
            ..Document::default()
        };
        assert_eq!(regressions(&document), [drift]);
        document.outcome = Outcome::CouldNotRun;
        assert!(regressions(&document).is_empty());
        // A profile may be called so as well.
        (document.is_comparison, document.outcome) = (false, Outcome::Failed);
        document.subject = "compare".into();
        assert!(regressions(&document).is_empty());
    }
}
