//! A load test as JUnit.

use super::super::past_sentence;
use super::super::rows::{self, Mark};
use super::{Case, State, Suite, write};
use crate::record::{Outcome, PastState, RunRecord, TestRecord};

/// Writes the report.
///
/// # Errors
/// If the XML cannot be formed.
pub fn junit(run: &RunRecord) -> anyhow::Result<String> {
    let suite = |test: &TestRecord| Suite {
        name: test.name.clone(),
        class: format!("{}.{}", run.profile, test.name),
        at: test.started_at.as_ref().unwrap_or(&run.started_at).clone(),
        time: test.duration_s.unwrap_or_default(),
        cases: cases(test, run),
    };
    let suites: Vec<Suite> = run.tests.iter().map(suite).collect();
    write(
        &format!("load-test {}", run.profile),
        run.duration_s,
        &suites,
    )
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
        let text = format!("{} {}", past_sentence(row), row.note);
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
