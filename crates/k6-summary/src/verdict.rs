//! Whether a test passed.

use serde::{Deserialize, Serialize};

use crate::check::CheckRow;
use crate::digest::Metrics;
use crate::evidence::{Evidence, ServerState, SummaryProblem};
use crate::exit_code::{K6Exit, THRESHOLDS_CROSSED};
use crate::reason::{Reason, with_messages};
use crate::summary::Summary;
use crate::threshold::{ThresholdRow, ThresholdState, rows};

/// k6's exit code after a signal asked it to stop.
const STOPPED_BY_SIGNAL: i32 = 105;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All that must hold does.
    Passed,
    /// Something does not.
    Failed,
    /// Somebody asked the run to stop, so it proves nothing.
    Interrupted,
}

/// How a test ended, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass, the most telling first; empty if and only if it passed.
    #[serde(serialize_with = "with_messages")]
    pub reasons: Vec<Reason>,
    /// Every threshold, by metric.
    pub thresholds: Vec<ThresholdRow>,
    /// Every check, in the script's order.
    pub checks: Vec<CheckRow>,
    /// Totals and distributions; none without a summary.
    pub metrics: Option<Metrics>,
}

/// Weighs the evidence. A test passes only if all of these hold: there is a summary; no threshold
/// is crossed; an iteration completed, and something was requested; every check passed at least
/// once, and enough of all; k6's exit code says the same; the server is alive and healthy.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut reasons = Vec::new();
    if evidence.interrupted {
        reasons.push(Reason::Interrupted);
    }
    reasons.extend(judge_server(&evidence.server));
    let summary = evidence.summary.as_ref();
    let thresholds = summary.map_or_else(|_| Vec::new(), |summary| rows(summary));
    let checks = summary.map_or_else(|_| Vec::new(), |summary| summary.checks());
    match summary {
        Ok(summary) => {
            reasons.extend(judge_traffic(summary));
            reasons.extend(judge_checks(&checks, evidence.min_checks));
            reasons.extend(judge_thresholds(summary, &thresholds));
        }
        Err(problem) => reasons.push(judge_problem(problem)),
    }
    let crossed = summary.is_ok().then(|| {
        let crossed = |row: &&ThresholdRow| row.state == ThresholdState::Crossed;
        thresholds.iter().filter(crossed).count()
    });
    reasons.extend(judge_exit(evidence.exit, crossed, evidence.interrupted));
    reasons.sort_by_key(Reason::rank);
    Verdict {
        outcome: match (evidence.interrupted, reasons.is_empty()) {
            (true, _) => Outcome::Interrupted,
            (false, true) => Outcome::Passed,
            (false, false) => Outcome::Failed,
        },
        reasons,
        thresholds,
        checks,
        metrics: summary.ok().map(|summary| Metrics::of(summary)),
    }
}

fn judge_server(server: &ServerState) -> Option<Reason> {
    match server {
        ServerState::Healthy | ServerState::NotOurs => None,
        ServerState::Dead(description) => Some(Reason::ServerDied {
            description: description.clone(),
        }),
        ServerState::Unhealthy(description) => Some(Reason::ServerUnhealthy {
            description: description.clone(),
        }),
    }
}

fn judge_problem(problem: &SummaryProblem) -> Reason {
    match problem.clone() {
        SummaryProblem::Missing => Reason::SummaryMissing,
        SummaryProblem::Truncated(description) => Reason::SummaryTruncated { description },
        SummaryProblem::Unreadable(description) => Reason::SummaryUnreadable { description },
    }
}

fn judge_traffic(summary: &Summary) -> Option<Reason> {
    let iterations = summary.iterations();
    let http = summary.http_requests();
    let requests = http.saturating_add(summary.websocket_sessions());
    if iterations == 0 {
        return Some(Reason::NoIteration {
            duration_ms: summary.duration_ms(),
            requests,
        });
    }
    if requests == 0 {
        return Some(Reason::NoTraffic { iterations });
    }
    let all_failed = http > 0 && summary.failed_http_requests() >= http;
    all_failed.then_some(Reason::AllRequestsFailed { requests: http })
}

fn judge_checks(checks: &[CheckRow], minimum: f64) -> Vec<Reason> {
    let never = checks.iter().filter(|check| check.passes == 0);
    let mut reasons: Vec<Reason> = never
        .map(|check| Reason::CheckNeverPassed {
            check: check.name.clone(),
            total: check.total(),
        })
        .collect();
    let sum = |part: fn(&CheckRow) -> u64| checks.iter().map(part).fold(0, u64::saturating_add);
    let (passes, total) = (sum(|check| check.passes), sum(CheckRow::total));
    let enough = passes as f64 / total as f64 >= minimum;
    if total > 0 && !enough {
        reasons.push(Reason::ChecksBelowMinimum {
            passes,
            total,
            minimum,
        });
    }
    reasons
}

fn judge_thresholds<'a>(
    summary: &'a Summary,
    rows: &'a [ThresholdRow],
) -> impl Iterator<Item = Reason> + 'a {
    rows.iter().filter_map(|row| match row.state {
        ThresholdState::Passed => None,
        ThresholdState::Crossed => Some(Reason::ThresholdCrossed(row.clone())),
        ThresholdState::NotEvaluated => {
            let metric = summary.metric(&row.metric)?;
            let skipped = metric.has_samples() && !metric.thresholds.contains_key(&row.expression);
            skipped.then(|| Reason::ThresholdNotJudged(row.clone()))
        }
    })
}

/// `crossed` counts the summary's crossed thresholds, and is none without a summary.
fn judge_exit(exit: K6Exit, crossed: Option<usize>, interrupted: bool) -> Option<Reason> {
    match (exit, crossed) {
        (K6Exit::Code(0), None | Some(0)) => None,
        (K6Exit::Code(THRESHOLDS_CROSSED), Some(1..)) => None,
        (K6Exit::Code(code @ (0 | THRESHOLDS_CROSSED)), Some(crossed)) => {
            Some(Reason::ExitDisagrees { code, crossed })
        }
        (K6Exit::Code(STOPPED_BY_SIGNAL), _) if interrupted => None,
        (exit, _) => Some(Reason::K6Exit { exit }),
    }
}
