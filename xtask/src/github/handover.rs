//! What a run or a comparison hands over to GitHub when it is done.

use std::path::Path;

use super::{OUTPUTS, annotate, output, summary, told};
use crate::actions::{Level, on};

/// A sentence at the top of the run's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    /// How bad it is.
    pub level: Level,
    /// What it is about.
    pub title: String,
    /// The sentence, with metric, bound and value.
    pub message: String,
}

/// Everything that is handed over.
#[derive(Debug)]
pub struct Handover<'a> {
    /// `passed`, `failed`, `interrupted` or `could_not_run`.
    pub verdict: &'a str,
    /// The folder of the results.
    pub results: &'a Path,
    /// The regressions, one a line.
    pub regressions: &'a str,
    /// The most telling first, for GitHub shows ten of each level for a step.
    pub annotations: Vec<Annotation>,
    /// The report as Markdown.
    pub summary: &'a str,
}

/// Hands it over; nothing outside of GitHub Actions.
pub fn hand_over(it: &Handover<'_>) {
    if !on() {
        return;
    }
    told();
    for Annotation {
        level,
        title,
        message,
    } in &it.annotations
    {
        annotate(*level, title, message);
    }
    let values = [
        it.verdict,
        &it.results.display().to_string(),
        it.regressions,
    ];
    for (name, value) in OUTPUTS.into_iter().zip(values) {
        output(name, value);
    }
    summary(&format!("{}{}", it.summary, links()));
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
