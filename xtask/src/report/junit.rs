//! Reports as JUnit XML, which most CI systems show: a suite for each test, a case for each row that is judged.

use minijinja::{Value, context};

use super::template;
use super::text::Text;
use super::view::{Document, Row, Section, Tone};
use crate::record::Outcome;

/// Writes the report.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn junit(document: &Document) -> anyhow::Result<String> {
    // What came of the whole is a case of its own where it is not the sum of its sections.
    let is_sum = matches!(document.outcome, Outcome::Passed | Outcome::Failed)
        && document.sections.iter().all(|one| one.outcome.is_some());
    let whole = (!is_sum).then(|| {
        let class = document.subject.to_string();
        let verdict = verdict(class, document.outcome, &document.reasons, document.seconds);
        ("whole", &document.at, document.seconds, vec![verdict])
    });
    let sections = document.sections.iter();
    let sections = sections.map(|one| {
        let at = if one.at.is_empty() {
            &document.at
        } else {
            &one.at
        };
        (&*one.name, at, one.seconds, cases(document, one))
    });
    let (mut suites, mut all) = (Vec::new(), Vec::new());
    for (name, at, seconds, cases) in whole.into_iter().chain(sections) {
        all.extend(cases.clone());
        suites.push(context! { name, at, seconds, cases });
    }
    template::fill(
        "junit.xml",
        context! {
            name => format!("load-test {}", document.subject),
            seconds => document.seconds,
            cases => all,
            suites,
        },
    )
}

fn cases(document: &Document, one: &Section) -> Vec<Value> {
    let class = format!("{}.{}", document.subject, one.name);
    let case = |name: String, tone: Tone, said: String| {
        let kind = match tone {
            Tone::Good | Tone::Plain => "",
            Tone::Bad => "failure",
            Tone::Warn | Tone::Open => "skipped",
        };
        context! { class => &class, name, seconds => (), kind, said }
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
    let past = one.outcome.map_or("", |_| " against its past runs");
    let compared = one.compared.rows.iter();
    let compared = compared.map(|row| of_row(format!("{}{past}", row.what), row));
    verdict.into_iter().chain(judged).chain(compared).collect()
}

/// The case of a verdict: what was interrupted or could not be run is an error, what was not begun is skipped.
fn verdict(class: String, outcome: Outcome, reasons: &[Text], seconds: f64) -> Value {
    let reasons: Vec<&str> = reasons.iter().map(|reason| &**reason).collect();
    let (kind, said) = match outcome {
        Outcome::Passed => ("", String::new()),
        Outcome::Failed => ("failure", reasons.join("\n")),
        Outcome::Interrupted | Outcome::CouldNotRun => ("error", reasons.join("\n")),
        Outcome::NotRun => ("skipped", "not run".into()),
    };
    context! { class, name => "verdict", seconds, kind, said }
}
