//! The run's record: as it begins, and how it is settled in the end.

use std::path::Path;
use std::time::SystemTime;

use super::command;
use super::judge::planned;
use crate::cli::LoadTest;
use crate::error::COULD_NOT_RUN;
use crate::k6::{self, K6, Shape};
use crate::plan::Plan;
use crate::record::{Host, K6Record, Outcome, RunRecord, SCHEMA_VERSION, TargetRecord};
use crate::shell::interrupt::Interrupted;
use crate::{repo, ui};

/// The record of a run that has yet to measure anything.
pub fn begin(
    args: &LoadTest,
    plan: &Plan,
    k6: &K6,
    shapes: &[Shape],
    root: &Path,
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
        notices: first_notices(args),
        started_at: humantime::format_rfc3339_seconds(now).to_string(),
        duration_s: 0.0,
        teardown_s: 0.0,
        profile: plan.profile.clone(),
        time_scale: plan.time_scale,
        command: Some(command::line()),
        k6_args: args.k6_args.clone(),
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
        revision: repo::revision(root),
        host: Host::look(),
        tests: plan.tests.iter().zip(shapes).map(planned).collect(),
    }
}

/// What is said before the run and kept with it, since it may explain a result.
fn first_notices(args: &LoadTest) -> Vec<String> {
    let mut notices = Vec::new();
    let interfering = k6::interfering(std::env::vars_os().map(|(name, _)| name));
    if !interfering.is_empty() {
        notices.push(format!(
            "taken out of k6's environment, since they would change the test: {}",
            interfering.join(", ")
        ));
    }
    if !args.k6_args.is_empty() {
        notices.push(format!(
            "k6 also gets `{}`, which may change the load",
            args.k6_args.join(" ")
        ));
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
    let reasons = record.tests.iter().flat_map(|test| {
        test.reasons
            .iter()
            .map(move |reason| format!("{}: {reason}", test.name))
    });
    record.reasons = reasons.collect();
    (record.outcome, record.exit_code) = match (error, interrupted) {
        (Some(error), _) => {
            record.reasons.insert(0, format!("{error:#}"));
            (Outcome::CouldNotRun, COULD_NOT_RUN)
        }
        (None, Some(signal)) => {
            record.reasons.insert(0, signal.to_string());
            (Outcome::Interrupted, signal.exit_code())
        }
        (None, None)
            if record
                .tests
                .iter()
                .all(|test| test.outcome == Outcome::Passed) =>
        {
            (Outcome::Passed, 0)
        }
        (None, None) => (Outcome::Failed, 1),
    };
}
