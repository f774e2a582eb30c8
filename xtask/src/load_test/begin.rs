//! The run's record: as it begins, and how it is settled in the end.

use std::time::SystemTime;

use k6_summary::Reason;

use super::command;
use super::judge::planned;
use crate::error::COULD_NOT_RUN;
use crate::k6::{self, K6, Shape};
use crate::plan::Plan;
use crate::record::{
    Host, K6Record, Outcome, Revision, RunRecord, SCHEMA_VERSION, TargetRecord, sentence,
};
use crate::shell::{self, interrupt::Interrupted};
use crate::ui;

/// The record of a run that has yet to measure anything.
pub fn begin(
    options: &k6::Options,
    plan: &Plan,
    k6: &K6,
    shapes: &[Shape],
    revision: Option<Revision>,
    name: &str,
    now: SystemTime,
) -> RunRecord {
    let planned = |(test, shape): (&String, &Shape)| planned(test, shape);
    let given = plan.target.as_given();
    RunRecord {
        schema_version: SCHEMA_VERSION,
        run: name.to_owned(),
        outcome: Outcome::CouldNotRun,
        exit_code: COULD_NOT_RUN,
        reasons: Vec::new(),
        notices: first_notices(options, shapes, plan),
        started_at: humantime::format_rfc3339_seconds(now).to_string(),
        duration_s: 0.0,
        teardown_s: 0.0,
        profile: plan.profile.clone(),
        time_scale: plan.time_scale,
        vus_scale: plan.vus_scale,
        command: Some(command::line()),
        k6_args: options.kept.clone(),
        target: TargetRecord {
            base_url: given.base_url,
            ws_url: given.ws_url,
        },
        k6: K6Record {
            version: k6.version.to_string(),
            origin: k6.origin.to_string(),
        },
        server: None,
        dashboard: None,
        cluster: None,
        revision,
        host: Host::look(),
        tests: plan.tests.iter().zip(shapes).map(planned).collect(),
    }
}

/// What is said before the run and kept with it, since it may explain a result.
fn first_notices(options: &k6::Options, shapes: &[Shape], plan: &Plan) -> Vec<String> {
    let mut notices = options.notices.clone();
    for (test, shape) in plan.tests.iter().zip(shapes) {
        let ignored = shape.ignored.iter();
        notices.extend(ignored.map(|part| format!("{test}: the script's {}", shell::clean(part))));
    }
    for notice in &notices {
        ui::notice(notice);
    }
    notices
}

/// Settles the run's outcome, exit code and reasons.
pub fn settle(
    record: &mut RunRecord,
    error: Option<&anyhow::Error>,
    interrupted: Option<Interrupted>,
) {
    for test in &mut record.tests {
        for reason in &mut test.reasons {
            *reason = sentence(reason);
        }
    }
    let reasons = record.tests.iter().flat_map(|test| {
        // Once for the whole run is enough.
        let own = |reason: &&String| **reason != Reason::Interrupted.to_string();
        let reasons = test.reasons.iter().filter(own);
        reasons.map(move |reason| format!("{}: {reason}", test.name))
    });
    record.reasons = reasons.collect();
    (record.outcome, record.exit_code) = match (error, interrupted) {
        (Some(error), _) => {
            record.reasons.insert(0, sentence(&format!("{error:#}")));
            (Outcome::CouldNotRun, COULD_NOT_RUN)
        }
        (None, Some(signal)) => {
            record.reasons.insert(0, signal.to_string());
            (Outcome::Interrupted, signal.exit_code())
        }
        (None, None) => {
            let has = |outcome| record.tests.iter().any(|test| test.outcome == outcome);
            let all_passed = record
                .tests
                .iter()
                .all(|test| test.outcome == Outcome::Passed);
            match all_passed {
                true => (Outcome::Passed, 0),
                false if has(Outcome::CouldNotRun) && !has(Outcome::Failed) => {
                    (Outcome::CouldNotRun, COULD_NOT_RUN)
                }
                false => (Outcome::Failed, 1),
            }
        }
    };
}
