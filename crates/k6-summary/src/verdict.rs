//! Whether a test passed.

use crate::check::{CheckRow, judge_checks};
use crate::digest::Metrics;
use crate::evidence::{Evidence, ServerState, SummaryProblem};
use crate::exceptions::Exceptions;
use crate::exit_code::{K6Exit, THRESHOLDS_CROSSED};
use crate::load::{judge_plan, judge_traffic};
use crate::reason::{Reason, say_once};
use crate::rule::Rules;
use crate::summary::Summary;
use crate::threshold::{ThresholdRow, ThresholdState, judge_thresholds, rows, share};

/// k6's exit code after a signal asked it to stop.
const STOPPED_BY_SIGNAL: i32 = 105;

/// How a test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All that must hold does.
    Passed,
    /// Something does not.
    Failed,
    /// It did not pass, and all that is wrong may be the load generator's own doing.
    Unmeasured,
    /// Somebody asked the run to stop, so it proves nothing.
    Interrupted,
}

/// How a test ended, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass, the most telling first; empty if and only if it passed.
    pub reasons: Vec<Reason>,
    /// What is to be known of it though it fails nothing, in a sentence: exceptions that were few
    /// enough.
    pub notice: Option<String>,
    /// Every threshold, by metric, and every rule of evidence.
    pub thresholds: Vec<ThresholdRow>,
    /// The shares of checks that passed and of iterations with an exception, with the caller's bounds.
    pub shares: Vec<ThresholdRow>,
    /// Every check, in the script's order.
    pub checks: Vec<CheckRow>,
    /// Totals and distributions; none without a summary.
    pub metrics: Option<Metrics>,
}

/// Weighs the evidence. A test passes only if all of these hold: there is a summary; no threshold
/// is crossed, and one that speaks for the test was evaluated or a rule of evidence stands for it;
/// iterations completed, few enough of them with an exception, and reached a server; checks were
/// made, every one passed at least once, and enough of all; the planned load was made; k6's exit
/// code says the same; the server is alive and healthy. What the generator's own limits explain is
/// no reason.
#[must_use]
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = weigh(evidence);
    evidence.limits.excuse(&mut verdict, evidence);
    say_once(&mut verdict.reasons);
    verdict
}

/// Weighs the evidence as if the generator had no limits.
pub(crate) fn weigh(evidence: &Evidence<'_>) -> Verdict {
    let mut verdict = match &evidence.summary {
        Ok(summary) => judge_summary(evidence, summary),
        Err(problem) => {
            let mut verdict = Verdict::empty();
            verdict.reasons.push(judge_problem(problem));
            verdict
                .reasons
                .extend(judge_exit(evidence.exit, None, evidence.interrupted));
            verdict
        }
    };
    if evidence.interrupted {
        verdict.reasons.push(Reason::Interrupted);
    }
    verdict.reasons.extend(judge_server(&evidence.server));
    let end = evidence.log.end();
    let end = end.map(|(end, exception)| format!("{end}: {exception}"));
    verdict.reasons.extend(end.map(Reason::ScriptEnded));
    verdict.reasons.sort_by(|a, b| {
        let worst_first = || b.excess().total_cmp(&a.excess());
        a.rank().cmp(&b.rank()).then_with(worst_first)
    });
    verdict.outcome = match (evidence.interrupted, verdict.reasons.is_empty()) {
        (true, _) => Outcome::Interrupted,
        (false, true) => Outcome::Passed,
        (false, false) => Outcome::Failed,
    };
    verdict
}

impl Verdict {
    fn empty() -> Self {
        Self {
            outcome: Outcome::Failed,
            reasons: Vec::new(),
            notice: None,
            thresholds: Vec::new(),
            shares: Vec::new(),
            checks: Vec::new(),
            metrics: None,
        }
    }
}

fn judge_summary(evidence: &Evidence<'_>, summary: &Summary) -> Verdict {
    let run = summary.load_test.as_ref();
    let nothing = Rules::default();
    let expected = run.map_or(&nothing, |run| &run.evidence);
    let mut thresholds = rows(summary);
    let crossed = crossed(&thresholds);
    let exceptions = Exceptions::of(evidence, summary);
    exceptions.count_as_errors(summary, &mut thresholds);
    let rules = expected.rows(summary);
    let checks = summary.checks();
    let mut reasons: Vec<Reason> = judge_traffic(summary, exceptions.exceptions)
        .into_iter()
        .collect();
    let idle = !reasons.is_empty();
    let too_many = exceptions.reason(evidence);
    let notice = match &too_many {
        Some(_) => None,
        None => exceptions.notice(evidence),
    };
    reasons.extend(too_many);
    reasons.extend(judge_plan(evidence, summary));
    reasons.extend(judge_checks(&checks, evidence.min_checks, &expected.checks));
    reasons.extend(judge_thresholds(summary, &thresholds, &rules));
    // What is missing from a run that was cut short, or that reached no server, says nothing more.
    reasons.retain(|reason| match reason {
        Reason::NoChecks | Reason::NothingEvaluated => !idle && !evidence.interrupted,
        reason => !evidence.interrupted || !reason.is_absence(),
    });
    reasons.extend(judge_exit(
        evidence.exit,
        Some(crossed),
        evidence.interrupted,
    ));
    thresholds.extend(rules);
    let (passes, fails) = summary.check_totals();
    Verdict {
        reasons,
        notice,
        thresholds,
        shares: vec![
            share("checks", passes, passes + fails, ">=", evidence.min_checks),
            share(
                "iteration_exceptions",
                exceptions.exceptions,
                exceptions.iterations,
                "<=",
                evidence.max_exceptions,
            ),
        ],
        checks,
        metrics: Some(Metrics::of(summary)),
        ..Verdict::empty()
    }
}

fn judge_server(server: &ServerState) -> Option<Reason> {
    match server.clone() {
        ServerState::Healthy => None,
        ServerState::Dead(how) => Some(Reason::ServerDied(how)),
        ServerState::Unhealthy(how) => Some(Reason::ServerUnhealthy(how)),
    }
}

fn judge_problem(problem: &SummaryProblem) -> Reason {
    match problem.clone() {
        SummaryProblem::Missing => Reason::SummaryMissing,
        SummaryProblem::Unreadable(why) => Reason::SummaryUnreadable(why),
    }
}

/// How many of the thresholds are crossed.
pub(crate) fn crossed(thresholds: &[ThresholdRow]) -> usize {
    let crossed = |row: &&ThresholdRow| row.state == ThresholdState::Crossed;
    thresholds.iter().filter(crossed).count()
}

/// `crossed` counts the summary's crossed thresholds, and is none without a summary.
pub(crate) fn judge_exit(
    exit: K6Exit,
    crossed: Option<usize>,
    interrupted: bool,
) -> Option<Reason> {
    match (exit, crossed) {
        (K6Exit::Code(0), None | Some(0)) => None,
        (K6Exit::Code(THRESHOLDS_CROSSED), Some(1..)) => None,
        (K6Exit::Code(code @ (0 | THRESHOLDS_CROSSED)), Some(crossed)) => {
            Some(Reason::ExitDisagrees { code, crossed })
        }
        (K6Exit::Code(STOPPED_BY_SIGNAL), _) if interrupted => None,
        (exit, _) => Some(Reason::K6Exit(exit)),
    }
}
