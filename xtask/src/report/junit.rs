//! Reports as JUnit XML, which most CI systems show: a suite for each test, a case for each row that is judged.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::template;
use super::text::Text;
use super::view::{Document, Row, Section, Tone};
use crate::record::Outcome;

#[derive(Serialize)]
struct Suite<'a> {
    name: &'a str,
    /// When it began, in UTC.
    at: &'a str,
    seconds: f64,
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Case {
    class: String,
    name: String,
    seconds: Option<f64>,
    /// `failure`, `error` or `skipped`; empty if it passed.
    kind: &'static str,
    said: String,
}

/// Writes the report.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn junit(document: &Document) -> anyhow::Result<String> {
    // What came of the whole is a case of its own where it is not the sum of its sections.
    let is_sum = matches!(document.outcome, Outcome::Passed | Outcome::Failed)
        && document.sections.iter().all(|one| one.outcome.is_some());
    let whole = (!is_sum).then(|| Suite {
        name: "whole",
        at: &document.at,
        seconds: document.seconds,
        cases: vec![verdict(
            document.subject.to_string(),
            document.outcome,
            &document.reasons,
            document.seconds,
        )],
    });
    let sections = document.sections.iter();
    let suites: Vec<Suite<'_>> = whole
        .into_iter()
        .chain(sections.map(|one| suite(document, one)))
        .collect();
    let cases: Vec<&Case> = suites.iter().flat_map(|suite| &suite.cases).collect();
    template::fill(
        "junit.xml",
        context! {
            name => format!("load-test {}", document.subject),
            seconds => document.seconds,
            cases => Serde(cases),
            suites => Serde(&suites),
        },
    )
}

fn suite<'a>(document: &'a Document, one: &'a Section) -> Suite<'a> {
    let class = format!("{}.{}", document.subject, one.name);
    let case = |name: String, tone: Tone, said: String| Case {
        class: class.clone(),
        name,
        seconds: None,
        kind: match tone {
            Tone::Good | Tone::Plain => "",
            Tone::Bad => "failure",
            Tone::Warn | Tone::Open => "skipped",
        },
        said,
    };
    let verdict = match one.outcome {
        // A test's verdict is more than the sum of the rest, and stands before it.
        Some(outcome) => vec![verdict(class.clone(), outcome, &one.reasons, one.seconds)],
        None => {
            let reasons = one.reasons.iter();
            let reasons = reasons.map(|it| case("failures".into(), Tone::Bad, it.to_string()));
            reasons.collect()
        }
    };
    let of_row = |name: String, row: &Row| case(name, row.tone, row.sentence());
    let judged = one.judged.rows.iter().map(|row| {
        let name = format!("{} {}", row.what, row.bound);
        of_row(name.trim_end().to_owned(), row)
    });
    let past = one.outcome.map_or("", |_| " beside its past");
    let compared = one.compared.rows.iter();
    let compared = compared.map(|row| of_row(format!("{}{past}", row.what), row));
    let at = [&one.at, &document.at];
    Suite {
        name: &one.name,
        at: at.into_iter().find(|at| !at.is_empty()).map_or("", |at| at),
        seconds: one.seconds,
        cases: verdict.into_iter().chain(judged).chain(compared).collect(),
    }
}

/// The case of a verdict: what was interrupted or could not be run is an error, what was not begun is skipped.
fn verdict(class: String, outcome: Outcome, reasons: &[Text], seconds: f64) -> Case {
    let reasons: Vec<&str> = reasons.iter().map(|reason| &**reason).collect();
    let (kind, said) = match outcome {
        Outcome::Passed => ("", String::new()),
        Outcome::Failed => ("failure", reasons.join("\n")),
        Outcome::Interrupted | Outcome::CouldNotRun => ("error", reasons.join("\n")),
        Outcome::NotRun => ("skipped", "not run".into()),
    };
    Case {
        class,
        name: "verdict".into(),
        seconds: Some(seconds),
        kind,
        said,
    }
}
