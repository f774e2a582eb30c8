//! What came of a step of a search, as a record and in words.

use std::time::Duration;

use load_stats::capacity::Step;

use crate::capacity;
use crate::record::{LoadUnit, ResourcesRecord, StepOutcome, StepRecord, StepRole, TestRecord};

/// How long the users of a step take to begin, in load-tests/main.js.
const RAMP: Duration = Duration::from_secs(1);

/// Whether a test failed for nothing but iterations that found no user free.
pub fn only_dropped(record: &TestRecord) -> bool {
    let dropped = record
        .metrics
        .as_ref()
        .is_some_and(|it| it.dropped_iterations > 0);
    dropped && record.reasons.len() == 1
}

/// Why a step says nothing of the server, in a sentence, if under the least load not one iteration came to its end: the
/// step is too short for one.
pub fn never_ended(step: &StepRecord) -> Option<String> {
    let is_least = step.load == 1 && step.outcome == StepOutcome::Failed;
    let why = step
        .reasons
        .first()
        .filter(|why| why.starts_with("no iteration"))?;
    is_least.then(|| {
        format!("{why}: give a --step longer than one takes, or `gracefulStop` beside the script")
    })
}

/// What a step is for, in words.
pub fn purpose(role: StepRole) -> &'static str {
    match role {
        StepRole::Grow => "to find the edge",
        StepRole::Bisect => "to narrow it",
        StepRole::Repeat => "once more",
        StepRole::ConfirmBelow => "to confirm that it holds",
        StepRole::ConfirmAbove => "to confirm that it does not hold",
    }
}

/// What came of a step, in a line.
pub fn told(step: &StepRecord) -> String {
    let p95 = step
        .p95_ms
        .map(|ms| format!(", p95 {ms:.1} ms"))
        .unwrap_or_default();
    let figures = format!("{:.1} iterations a second{p95}", step.iterations_per_second);
    let why = step
        .reasons
        .first()
        .and_then(|why| why.lines().next())
        .unwrap_or_default();
    match step.outcome {
        StepOutcome::Held => format!("  held: {figures}"),
        StepOutcome::Failed => format!("  failed: {why} ({figures})"),
        StepOutcome::Generator => format!("  not measured: {}", capacity::limit(step)),
        StepOutcome::Broken => format!("  could not be measured: {why}"),
        StepOutcome::Interrupted => "  interrupted".into(),
    }
}

/// The record of a step that came to `outcome`.
pub fn step_record(
    unit: LoadUnit,
    step: Step,
    outcome: StepOutcome,
    test: &TestRecord,
    resources: ResourcesRecord,
) -> StepRecord {
    let metrics = test.metrics.as_ref();
    let duration_s = test.duration_s.unwrap_or_default();
    let requests = metrics.and_then(|it| it.http_req_duration.as_ref());
    let iterations = metrics.map_or(0, |it| it.iterations) as f64;
    let iteration = metrics.and_then(|it| it.trends.get("iteration_duration"));
    // Within the ramp there are half of them.
    let (load, ramp_s) = (step.load as f64, RAMP.as_secs_f64());
    let mean = load * (ramp_s / 2.0 + step.seconds) / (ramp_s + step.seconds);
    StepRecord {
        load: step.load,
        role: step.role,
        outcome,
        reasons: test.reasons.iter().map(|why| bare(why)).collect(),
        duration_s,
        virtual_users: metrics.and_then(|it| it.vus_max).unwrap_or(test.max_vus),
        mean_users: (unit == LoadUnit::Users).then_some(mean),
        iterations_per_second: if duration_s > 0.0 {
            iterations / duration_s
        } else {
            0.0
        },
        requests_per_second: metrics.map_or(0.0, |it| it.http_requests_per_second),
        p50_ms: requests.and_then(|it| it.med),
        p95_ms: requests.and_then(|it| it.p95),
        p99_ms: requests.and_then(|it| it.p99),
        iteration_ms: iteration.and_then(|it| it.avg),
        failed_ratio: metrics.and_then(|it| it.http_failed_ratio),
        dropped_iterations: metrics.map_or(0, |it| it.dropped_iterations),
        resources,
    }
}

/// A reason without the words that say what the step's outcome says.
fn bare(why: &str) -> String {
    let bare = why.strip_prefix("could not be measured: ");
    bare.unwrap_or(why).to_owned()
}
