//! The report as JUnit XML, which most CI systems show: a suite for each test, a case for each threshold and check.

use std::borrow::Cow;

use anyhow::Context as _;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::rows::{self, Mark};
use crate::results::{Outcome, PastState, RunRecord, TestRecord};

/// What came of a case.
enum State {
    Passed,
    Failed(String),
    /// It could not be judged, for no fault of what is tested.
    Errored(String),
    Skipped(String),
}

struct Case {
    name: String,
    state: State,
    /// Seconds, where a case is a whole test.
    time: Option<f64>,
}

/// Writes the report.
///
/// # Errors
/// If the XML cannot be formed.
pub fn junit(run: &RunRecord) -> anyhow::Result<String> {
    let suites: Vec<(&TestRecord, Vec<Case>)> = run
        .tests
        .iter()
        .map(|test| (test, cases(test, run)))
        .collect();
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attributes(counts(all()))
        .with_attribute(("name", &*clean(&format!("load-test {}", run.profile))))
        .with_attribute(("time", &*seconds(run.duration_s)))
        .write_inner_content(|writer| {
            for (test, cases) in &suites {
                suite(writer, run, test, cases)?;
            }
            Ok(())
        })?;
    let text = String::from_utf8(writer.into_inner()).context("the JUnit report is not UTF-8")?;
    Ok(format!("{text}\n"))
}

fn suite(
    writer: &mut Writer<Vec<u8>>,
    run: &RunRecord,
    test: &TestRecord,
    cases: &[Case],
) -> std::io::Result<()> {
    let at = test.started_at.as_deref().unwrap_or(&run.started_at);
    writer
        .create_element("testsuite")
        .with_attributes(counts(cases))
        .with_attribute((
            "skipped",
            &*count(cases, |state| matches!(state, State::Skipped(_))),
        ))
        .with_attribute(("name", &*clean(&test.name)))
        .with_attribute(("time", &*seconds(test.duration_s.unwrap_or_default())))
        .with_attribute(("timestamp", at.trim_end_matches('Z')))
        .write_inner_content(|writer| {
            cases
                .iter()
                .try_for_each(|case| one_case(writer, run, test, case))
        })?;
    Ok(())
}

fn one_case(
    writer: &mut Writer<Vec<u8>>,
    run: &RunRecord,
    test: &TestRecord,
    case: &Case,
) -> std::io::Result<()> {
    let class = format!("{}.{}", run.profile, test.name);
    let mut element = writer
        .create_element("testcase")
        .with_attribute(("classname", &*clean(&class)))
        .with_attribute(("name", &*clean(&case.name)));
    if let Some(time) = case.time {
        element = element.with_attribute(("time", &*seconds(time)));
    }
    let (tag, text) = match &case.state {
        State::Passed => return element.write_empty().map(drop),
        State::Failed(text) => ("failure", text),
        State::Errored(text) => ("error", text),
        State::Skipped(text) => ("skipped", text),
    };
    let text = clean(text);
    element
        .write_inner_content(|writer| {
            let first = text.lines().next().unwrap_or_default();
            let result = writer
                .create_element(tag)
                .with_attribute(("message", first));
            if tag == "skipped" {
                result.write_empty().map(drop)
            } else {
                result
                    .with_attribute(("type", tag))
                    .write_text_content(BytesText::new(&text))
                    .map(drop)
            }
        })
        .map(drop)
}

/// The cases of a test: its verdict as a whole first, for that is more than the sum of the rest.
fn cases(test: &TestRecord, run: &RunRecord) -> Vec<Case> {
    let mut why = test.reasons.join("\n");
    let state = match test.outcome {
        Outcome::Passed => State::Passed,
        Outcome::Failed => State::Failed(why),
        Outcome::Interrupted => State::Errored(format!("interrupted\n{why}")),
        Outcome::NotRun | Outcome::CouldNotRun => {
            why.insert_str(0, &run.reasons.join("\n"));
            State::Errored(format!("not run: {why}"))
        }
    };
    let verdict = Case {
        name: "verdict".into(),
        state,
        time: test.duration_s,
    };
    let judged = rows::judged(test).into_iter().map(|row| {
        let text = format!("{} {}: {}", row.what, row.bound, row.value);
        Case {
            state: match row.mark {
                Mark::Passed => State::Passed,
                Mark::Failed => State::Failed(text),
                Mark::NotEvaluated => State::Skipped(text),
            },
            name: format!("{} {}", row.what, row.bound).trim_end().to_owned(),
            time: None,
        }
    });
    let past = test.past.iter().flat_map(|past| &past.metrics);
    let past = past.map(|row| {
        let text = format!("{} {}", super::past_sentence(row), row.note);
        Case {
            name: format!("{} beside its past", row.metric),
            state: match row.state {
                PastState::Within | PastState::Better | PastState::NotConfirmed => State::Passed,
                PastState::Regression => State::Failed(text),
                PastState::Shown | PastState::NotComparable => State::Skipped(text),
            },
            time: None,
        }
    });
    std::iter::once(verdict).chain(judged).chain(past).collect()
}

fn counts<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Vec<(&'static str, Cow<'static, str>)> {
    let (mut tests, mut failures, mut errors) = (0, 0, 0);
    for case in cases {
        tests += 1;
        match case.state {
            State::Failed(_) => failures += 1,
            State::Errored(_) => errors += 1,
            State::Passed | State::Skipped(_) => {}
        }
    }
    [("tests", tests), ("failures", failures), ("errors", errors)]
        .map(|(name, number): (_, u32)| (name, number.to_string().into()))
        .into()
}

fn count(cases: &[Case], which: impl Fn(&State) -> bool) -> String {
    cases
        .iter()
        .filter(|case| which(&case.state))
        .count()
        .to_string()
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}")
}

/// `text` without the characters that XML 1.0 has no way to write.
fn clean(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}
