//! A comparison as JUnit: a case for each metric.

use super::super::comparison::verdict;
use super::{Case, State, Suite, write};
use crate::record::Outcome;
use crate::record::{Change, Comparison, TestComparison};

/// Writes the report.
///
/// # Errors
/// If the XML cannot be formed.
pub fn comparison_junit(comparison: &Comparison) -> anyhow::Result<String> {
    let why = comparison.reasons.join("\n");
    let whole = Case {
        name: "verdict".into(),
        state: match comparison.outcome {
            Outcome::Passed => State::Passed,
            Outcome::Failed => State::Failed(why),
            Outcome::Interrupted | Outcome::NotRun | Outcome::CouldNotRun => State::Errored(why),
        },
        time: Some(comparison.duration_s),
    };
    let suite = |name: &str, time, cases| Suite {
        name: name.to_owned(),
        class: format!("compare.{name}"),
        at: comparison.started_at.clone(),
        time,
        cases,
    };
    let mut suites = vec![suite("comparison", comparison.duration_s, vec![whole])];
    let tests = comparison.tests.iter();
    suites.extend(tests.map(|test| suite(&test.name, 0.0, cases(test))));
    write("compare", comparison.duration_s, &suites)
}

fn cases(test: &TestComparison) -> Vec<Case> {
    let failures = test.worse_failures.iter().map(|failure| Case {
        name: "failures that only head has".into(),
        state: State::Failed(failure.clone()),
        time: None,
    });
    let metrics = test.metrics.iter().map(|metric| Case {
        name: metric.metric.to_string(),
        state: match metric.change {
            Change::Regression => State::Failed(verdict(metric)),
            Change::NotJudged => State::Skipped(verdict(metric)),
            _ => State::Passed,
        },
        time: None,
    });
    failures.chain(metrics).collect()
}
