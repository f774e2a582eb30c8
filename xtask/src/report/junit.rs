//! The report as JUnit XML, which most CI systems show: a suite for each test, a case for each threshold and check.

mod comparison;
mod run;

use std::borrow::Cow;

use anyhow::Context as _;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

pub use comparison::comparison_junit;
pub use run::junit;

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

/// A test with its cases.
struct Suite {
    name: String,
    /// What stands before the names of the cases.
    class: String,
    /// When it began, in UTC.
    at: String,
    /// Seconds.
    time: f64,
    cases: Vec<Case>,
}

fn write(name: &str, time: f64, suites: &[Suite]) -> anyhow::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .with_attributes(counts(suites.iter().flat_map(|suite| &suite.cases)))
        .with_attribute(("name", &*clean(name)))
        .with_attribute(("time", &*seconds(time)))
        .write_inner_content(|writer| {
            suites.iter().try_for_each(|suite| one_suite(writer, suite))
        })?;
    let text = String::from_utf8(writer.into_inner()).context("the JUnit report is not UTF-8")?;
    Ok(format!("{text}\n"))
}

fn one_suite(writer: &mut Writer<Vec<u8>>, suite: &Suite) -> std::io::Result<()> {
    let skipped = |state: &State| matches!(state, State::Skipped(_));
    writer
        .create_element("testsuite")
        .with_attributes(counts(&suite.cases))
        .with_attribute(("skipped", &*count(&suite.cases, skipped)))
        .with_attribute(("name", &*clean(&suite.name)))
        .with_attribute(("time", &*seconds(suite.time)))
        .with_attribute(("timestamp", suite.at.trim_end_matches('Z')))
        .write_inner_content(|writer| {
            suite
                .cases
                .iter()
                .try_for_each(|case| one_case(writer, &suite.class, case))
        })?;
    Ok(())
}

fn one_case(writer: &mut Writer<Vec<u8>>, class: &str, case: &Case) -> std::io::Result<()> {
    let mut element = writer
        .create_element("testcase")
        .with_attribute(("classname", &*clean(class)))
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
