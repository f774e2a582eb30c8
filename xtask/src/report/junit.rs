//! Reports as JUnit XML, which most CI systems show: a suite for each test, a case for each row that is judged.

use anyhow::Context as _;
use serde::Serialize;

use super::text::Text;
use super::view::{Document, Row, Section, Tone};
use crate::record::Outcome;

#[derive(Serialize)]
struct Suites<'a> {
    #[serde(rename = "@name")]
    name: String,
    #[serde(flatten)]
    counts: Counts,
    #[serde(rename = "@time")]
    time: String,
    testsuite: Vec<Suite<'a>>,
}

#[derive(Serialize)]
struct Suite<'a> {
    #[serde(rename = "@name")]
    name: &'a str,
    #[serde(flatten)]
    counts: Counts,
    #[serde(rename = "@time")]
    time: String,
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    testcase: Vec<Case>,
}

#[derive(Serialize, Default, Clone, Copy)]
struct Counts {
    #[serde(rename = "@tests")]
    tests: usize,
    #[serde(rename = "@failures")]
    failures: usize,
    #[serde(rename = "@errors")]
    errors: usize,
    #[serde(rename = "@skipped")]
    skipped: usize,
}

#[derive(Serialize, Default)]
struct Case {
    #[serde(rename = "@classname")]
    class: String,
    #[serde(rename = "@name")]
    name: String,
    #[serde(rename = "@time", skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<Said>,
}

#[derive(Serialize)]
struct Said {
    #[serde(rename = "@message")]
    message: String,
    #[serde(rename = "$text")]
    text: String,
}

impl Said {
    fn new(text: String) -> Self {
        Self {
            message: text.lines().next().unwrap_or_default().to_owned(),
            text,
        }
    }
}

/// Writes the report.
///
/// # Errors
/// If the XML cannot be formed.
pub fn junit(document: &Document) -> anyhow::Result<String> {
    // What came of the whole is a case of its own where it is not the sum of its sections.
    let is_sum = matches!(document.outcome, Outcome::Passed | Outcome::Failed)
        && document.sections.iter().all(|one| one.outcome.is_some());
    let whole = (!is_sum).then(|| {
        let class = document.subject.to_string();
        let verdict = verdict(class, document.outcome, &document.reasons, document.seconds);
        suite("whole", &document.at, document.seconds, vec![verdict])
    });
    let sections = document.sections.iter();
    let testsuite: Vec<Suite<'_>> = whole
        .into_iter()
        .chain(sections.map(|one| section(document, one)))
        .collect();
    let suites = Suites {
        name: format!("load-test {}", document.subject),
        counts: testsuite
            .iter()
            .fold(Counts::default(), |sum, suite| Counts {
                tests: sum.tests + suite.counts.tests,
                failures: sum.failures + suite.counts.failures,
                errors: sum.errors + suite.counts.errors,
                skipped: sum.skipped + suite.counts.skipped,
            }),
        time: seconds(document.seconds),
        testsuite,
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let mut writer = quick_xml::se::Serializer::with_root(&mut text, Some("testsuites"))?;
    writer.indent(' ', 2);
    suites.serialize(writer).context("the JUnit report")?;
    text.push('\n');
    Ok(text)
}

fn suite<'a>(name: &'a str, at: &'a str, time: f64, cases: Vec<Case>) -> Suite<'a> {
    let count = |which: fn(&Case) -> bool| cases.iter().filter(|case| which(case)).count();
    Suite {
        name,
        counts: Counts {
            tests: cases.len(),
            failures: count(|case| case.failure.is_some()),
            errors: count(|case| case.error.is_some()),
            skipped: count(|case| case.skipped.is_some()),
        },
        time: seconds(time),
        timestamp: at.trim_end_matches('Z'),
        testcase: cases,
    }
}

fn section<'a>(document: &'a Document, one: &'a Section) -> Suite<'a> {
    let class = format!("{}.{}", document.subject, one.name);
    let verdict = match one.outcome {
        // A test's verdict is more than the sum of the rest, and stands before it.
        Some(outcome) => vec![verdict(class.clone(), outcome, &one.reasons, one.seconds)],
        None => one
            .reasons
            .iter()
            .map(|reason| Case {
                class: class.clone(),
                name: "failures".into(),
                failure: Some(Said::new(reason.to_string())),
                ..Case::default()
            })
            .collect(),
    };
    let judged = one.judged.rows.iter().map(|row| {
        let name = format!("{} {}", row.what, row.bound.text);
        case(&class, name.trim_end().to_owned(), row)
    });
    let compared = one.compared.rows.iter().map(|row| {
        let name = match one.outcome {
            Some(_) => format!("{} beside its past", row.what),
            None => row.what.to_string(),
        };
        case(&class, name, row)
    });
    let cases = verdict.into_iter().chain(judged).chain(compared).collect();
    let at = if one.at.is_empty() {
        &document.at
    } else {
        &one.at
    };
    suite(&one.name, at, one.seconds, cases)
}

/// The case of a verdict: what was interrupted or could not be run is an error, what was not begun is skipped.
fn verdict(class: String, outcome: Outcome, reasons: &[Text], time: f64) -> Case {
    let reasons: Vec<&str> = reasons.iter().map(|reason| &**reason).collect();
    let said = Some(Said::new(reasons.join("\n")));
    let mut case = Case {
        class,
        name: "verdict".into(),
        time: Some(seconds(time)),
        ..Case::default()
    };
    match outcome {
        Outcome::Passed => {}
        Outcome::Failed => case.failure = said,
        Outcome::Interrupted | Outcome::CouldNotRun => case.error = said,
        Outcome::NotRun => case.skipped = Some(Said::new("not run".into())),
    }
    case
}

/// The case of a row: red only if the row is what the run is red for.
fn case(class: &str, name: String, row: &Row) -> Case {
    let said = || Some(Said::new(row.sentence()));
    let mut case = Case {
        class: class.to_owned(),
        name,
        ..Case::default()
    };
    match row.tone {
        Tone::Good | Tone::Plain => {}
        Tone::Bad => case.failure = said(),
        Tone::Warn | Tone::Open => case.skipped = said(),
    }
    case
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}
