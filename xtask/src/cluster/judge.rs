//! From what was collected of a test to its record: one verdict, by the rules of a local run.

use std::time::SystemTime;

use k6_summary::{
    DEFAULT_MAX_EXCEPTIONS, DEFAULT_MIN_CHECKS, Evidence, K6Exit, MergeError, Outcome as Verdict,
    Reason, ServerState, SummaryProblem,
};

use super::collect::Collected;
use super::planned::Planned;
use super::watch::Conclusion;
use crate::load_test;
use crate::measure::endpoints;
use crate::record::{Outcome, TestRecord, plural};

/// The record of a test that is still to be run.
pub fn planned(it: &Planned) -> TestRecord {
    TestRecord::planned(&it.test, it.max_vus, it.stages.clone())
}

/// Judges a test. The notice is what is to be known though it fails nothing.
pub fn judge_runners(
    it: &Planned,
    conclusion: Option<&Conclusion>,
    collected: Collected,
    started_at: SystemTime,
) -> (TestRecord, Option<String>) {
    let mut record = planned(it);
    record.started_at = Some(humantime::format_rfc3339_seconds(started_at).to_string());
    if let Some(Conclusion::Fault { sentence, .. }) = conclusion {
        record.outcome = Outcome::CouldNotRun;
        record.reasons = vec![sentence.clone()];
        return (record, None);
    }
    record.runners = collected.runners;
    let merged = collected.merged;
    let evidence = Evidence {
        summary: match &merged {
            Ok(merged) => Ok(&merged.summary),
            Err(MergeError::Nothing) => Err(SummaryProblem::Missing),
            Err(problem) => Err(SummaryProblem::Unreadable(problem.to_string())),
        },
        log: &collected.said.log,
        exit: collected.cut_short.unwrap_or_else(|| {
            // A threshold that one runner crossed may be kept by all.
            merged
                .as_ref()
                .map_or(K6Exit::Code(0), k6_summary::Merged::exit)
        }),
        min_checks: DEFAULT_MIN_CHECKS,
        max_exceptions: DEFAULT_MAX_EXCEPTIONS,
        // A plan of rates has no stages, and k6 takes as many virtual users as it needs.
        planned_vus: (!it.stages.is_empty()).then_some(it.max_vus),
        limits: collected
            .said
            .limits(|_| format!("take more than {}", plural(it.runners.into(), "runner"))),
        // It is not watched from here: what is wrong with it shows in the answers.
        server: ServerState::Healthy,
        interrupted: conclusion.is_none(),
    };
    let mut verdict = k6_summary::judge(&evidence);
    let cause = match conclusion {
        Some(Conclusion::Ran { cause, .. }) => cause.clone(),
        _ => None,
    };
    let is_sound = cause.is_none() && collected.problems.is_empty();
    let problems = match conclusion {
        // That runners were stopped goes without saying.
        None => Vec::new(),
        Some(_) => collected.problems,
    };
    // How each runner ended is said by its own sentence.
    let is_told = !problems.is_empty();
    let is_cut_off = conclusion.is_none();
    verdict.reasons.retain(|it| match it {
        Reason::K6Exit(_) => !is_told,
        // Nobody waited for it.
        Reason::SummaryMissing => !is_cut_off,
        _ => true,
    });
    record.duration_s = merged
        .as_ref()
        .ok()
        .map(|it| it.summary.duration().as_secs_f64());
    let seconds = record.duration_s.unwrap_or_default();
    record.endpoints = endpoints::joined(Vec::new(), &collected.said, seconds);
    let (sentences, is_where_told) = load_test::sentences(&record.endpoints, &verdict, Vec::new());
    record.reasons = cause.into_iter().chain(problems).collect();
    record.reasons.extend(sentences);
    record.outcome = match verdict.outcome {
        Verdict::Interrupted => Outcome::Interrupted,
        Verdict::Passed if is_sound => Outcome::Passed,
        Verdict::Unmeasured if is_sound => Outcome::CouldNotRun,
        _ => Outcome::Failed,
    };
    if record.outcome == Outcome::Failed
        && !is_where_told
        && let Some((error, count)) = collected.said.commonest()
    {
        let requests = plural(count, "request");
        record
            .reasons
            .push(format!("{requests} failed with: {error}"));
    }
    record.k6_exit = Some(evidence.exit.to_string());
    record.thresholds = verdict.thresholds;
    record.thresholds.extend(verdict.shares);
    record.checks = verdict.checks;
    record.metrics = verdict.metrics;
    (record, verdict.notice)
}
