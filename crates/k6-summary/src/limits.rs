//! What limited the load generator itself, and what a test would have come to without that.
//!
//! A request that k6 could not even send says nothing about the server, nor does an answer that is late because other
//! programs had the processor. So a test that failed is judged once more without such requests and what may have followed
//! from them: each failed at most one check of a name, was at most one error of a rate, and ended at most one iteration.
//! What is left is the server's; if nothing is, the test could not be measured.

use std::mem::discriminant;

use crate::check::Group;
use crate::evidence::Evidence;
use crate::expression::{Expression, Operator};
use crate::metric::{Contains, Metric, MetricKind};
use crate::reason::Reason;
use crate::summary::Summary;
use crate::threshold::{ThresholdRow, ThresholdState};
use crate::verdict::{Outcome, Verdict, weigh};

/// How Go says that the operating system refused the generator itself what a connection needs, and
/// what it lacked.
const REFUSED: [(&str, &str); 4] = [
    ("too many open files", "open files"),
    ("cannot assign requested address", "free ports"),
    ("no buffer space available", "network buffers"),
    ("cannot allocate memory", "memory"),
];

/// What limited the load generator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// HTTP requests that failed by the generator itself, as for want of a file descriptor.
    pub requests: u64,
    /// WebSockets that could not be opened by the generator itself.
    pub sessions: u64,
    /// Whether it waited for itself, or it and the server for other programs, so that times are longer
    /// than the server's.
    pub slow: bool,
    /// Whether it was other programs that took the processor.
    pub others: bool,
    /// Whether it ended for want of memory.
    pub crashed: bool,
    /// All of that in sentences, with what to do about it.
    pub sentences: Vec<String>,
}

impl Limits {
    /// What the generator itself lacked, if that is why a request failed with this error.
    #[must_use]
    pub fn lacked(error: &str) -> Option<&'static str> {
        let refused = REFUSED.iter().find(|(words, _)| error.contains(words));
        refused.map(|(_, what)| *what)
    }

    /// Takes from a failed test what these limits explain.
    pub(crate) fn excuse(&self, verdict: &mut Verdict, evidence: &Evidence<'_>) {
        if *self == Self::default() || verdict.outcome != Outcome::Failed {
            return;
        }
        let mut left = match evidence.summary {
            Ok(summary) => {
                let (summary, log) = (self.without(summary), evidence.log.less(self.own()));
                let without = weigh(&Evidence {
                    summary: Ok(&summary),
                    log: &log,
                    ..evidence.clone()
                });
                open(&mut verdict.thresholds, &without.thresholds);
                open(&mut verdict.shares, &without.shares);
                without.reasons
            }
            Err(_) => verdict.reasons.clone(),
        };
        // A reason of a new kind comes from what was taken away.
        let known = |reason: &Reason| {
            let mut reasons = verdict.reasons.iter();
            reasons.any(|known| discriminant(known) == discriminant(reason))
        };
        left.retain(|reason| known(reason) && !self.explains(reason, evidence));
        if left.is_empty() {
            verdict.outcome = Outcome::Unmeasured;
            left = self
                .sentences
                .iter()
                .cloned()
                .map(Reason::Generator)
                .collect();
        }
        verdict.reasons = left;
    }

    /// Whether a reason that does not depend on counts comes from these limits.
    fn explains(&self, reason: &Reason, evidence: &Evidence<'_>) -> bool {
        match reason {
            Reason::ScriptEnded(description) => Self::lacked(description).is_some(),
            // Sessions that were never opened are the shortest of all.
            Reason::RuleBroken(row) if row.metric == "ws_session_duration" => {
                let lower = row
                    .operator
                    .as_deref()
                    .is_some_and(|it| it.starts_with('>'));
                lower && self.sessions > 0
            }
            // Nor could it write a file, or end as it should.
            reason => {
                let torn = evidence.summary.is_err() && self.own() > 0;
                (self.crashed || torn) && reason.is_of_k6()
            }
        }
    }

    /// Requests and WebSockets that failed by the generator itself.
    fn own(&self) -> u64 {
        self.requests.saturating_add(self.sessions)
    }

    /// The summary without those, nor what may have followed from them.
    fn without(&self, summary: &Summary) -> Summary {
        let mut summary = summary.clone();
        let through = |counter, own| own > 0 && summary.counter(counter) > own;
        let some_got_through =
            through("http_reqs", self.requests) || through("ws_sessions", self.sessions);
        summary.root_group.forgive(self.own(), some_got_through);
        let (passes, fails) = summary.check_totals();
        for (name, metric) in &mut summary.metrics {
            match name.as_str() {
                "checks" => metric.set_rate(passes as f64, fails as f64),
                "http_reqs" => metric.take("count", self.requests),
                "ws_sessions" => metric.take("count", self.sessions),
                "iteration_exceptions" => metric.pass_over(self.own()),
                "dropped_iterations" if self.slow => metric.values.clear(),
                _ if metric.kind == MetricKind::Rate => self.forgive(metric),
                _ => {}
            }
            self.judge_again(metric);
        }
        summary
    }

    /// Takes as many errors from a rate as the generator may have made itself.
    fn forgive(&self, metric: &mut Metric) {
        let requests = metric.name.starts_with("http_req_failed");
        let own = if requests { self.requests } else { self.own() };
        let lower = metric.thresholds.keys().any(|it| {
            let it = Expression::parse(it).ok();
            it.is_some_and(|it| matches!(it.operator, Operator::Greater | Operator::GreaterOrEqual))
        });
        metric.take(if lower { "fails" } else { "passes" }, own);
        let part = |name| metric.value(name).unwrap_or(0.0);
        let (passes, fails) = (part("passes"), part("fails"));
        metric.set_rate(passes, fails);
    }

    /// Looks once more at the thresholds that k6 found crossed.
    fn judge_again(&self, metric: &mut Metric) {
        let timed = metric.contains == Contains::Time || metric.is_duration();
        let own = self.own() as f64;
        let values = metric.clone();
        for (text, result) in &mut metric.thresholds {
            let Ok(it) = Expression::parse(text) else {
                continue;
            };
            let Some(value) = values.aggregate(it.aggregation) else {
                continue;
            };
            let lower = matches!(it.operator, Operator::Greater | Operator::GreaterOrEqual);
            result.ok |= match values.kind {
                // A slow machine makes nothing shorter, and what never happened would not have.
                MetricKind::Trend => self.slow && timed && !lower,
                MetricKind::Counter if lower => {
                    self.slow && value > 0.0 || it.operator.holds(value + own, it.bound)
                }
                MetricKind::Counter => it.operator.holds((value - own).max(0.0), it.bound),
                MetricKind::Rate => it.operator.holds(value, it.bound),
                MetricKind::Gauge | MetricKind::Unknown => false,
            };
        }
    }
}

/// Leaves open what was crossed and is not crossed `without` the generator's own failures.
fn open(rows: &mut [ThresholdRow], without: &[ThresholdRow]) {
    let is_red = |state| matches!(state, ThresholdState::Crossed | ThresholdState::Undecided);
    for row in rows.iter_mut().filter(|row| is_red(row.state)) {
        let mut others = without
            .iter()
            .filter(|other| (&other.metric, &other.expression) == (&row.metric, &row.expression));
        if others.all(|other| !is_red(other.state)) {
            row.state = ThresholdState::NotEvaluated;
            row.note =
                Some("says nothing: the load generator or its machine was at its limit".to_owned());
        }
    }
}

impl Group {
    /// Takes `own` failures from each check, and the check itself if that was all of it. A check that never passed though
    /// `some_got_through` failed by the server.
    fn forgive(&mut self, own: u64, some_got_through: bool) {
        for check in &mut self.checks {
            if check.passes > 0 || !some_got_through {
                check.fails = check.fails.saturating_sub(own);
            }
        }
        self.checks
            .retain(|check| check.passes > 0 || check.fails > 0);
        for group in &mut self.groups {
            group.forgive(own, some_got_through);
        }
    }
}

impl Metric {
    fn take(&mut self, value: &str, own: u64) {
        if let Some(value) = self.values.get_mut(value) {
            *value = (*value - own as f64).max(0.0);
        }
    }

    /// Counts `own` of a rate's passes as fails: iterations that `main.js` knows the end of must stay that many.
    fn pass_over(&mut self, own: u64) {
        let part = |name| self.value(name).unwrap_or(0.0);
        let own = part("passes").min(own as f64);
        self.set_rate(part("passes") - own, part("fails") + own);
    }
}
