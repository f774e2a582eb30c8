//! Iterations that ended with an exception, and what they erased.
//!
//! What stands behind a line that throws never runs: neither `errorRate.add` nor further checks. So
//! exceptions are counted themselves, and once more as errors in the script's own error rates.

use crate::evidence::Evidence;
use crate::exit_code::K6Exit;
use crate::expression::{Expression, Operator};
use crate::log::Exception;
use crate::metric::{Metric, MetricKind};
use crate::reason::Reason;
use crate::summary::Summary;
use crate::threshold::{ThresholdRow, ThresholdState};
use crate::unit::{Quantity, Unit};

/// Exceptions, and the iterations that they are among.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceptions {
    pub exceptions: u64,
    pub iterations: u64,
    /// Those among them whose promise was never settled, as far as it is known.
    unsettled: u64,
}

impl Exceptions {
    /// `main.js` counts what the script's function throws, k6's log has those of callbacks as well. An
    /// iteration of which `main.js` knows no end waits for a promise that is never settled: what
    /// stands behind it did not run, as behind an exception.
    pub fn of(evidence: &Evidence<'_>, summary: &Summary) -> Self {
        let (counted, iterations) = summary.iteration_exceptions();
        // Those that were under way when the test was cut off count as complete too.
        let cut_off = match evidence.exit {
            K6Exit::Code(0) => 0,
            _ => summary.vus_max().unwrap_or(1),
        };
        let unsettled = match summary.metric("iteration_exceptions") {
            Some(_) => summary
                .counter("iterations")
                .saturating_sub(iterations)
                .saturating_sub(cut_off),
            None => 0,
        };
        let exceptions = counted
            .saturating_add(unsettled)
            .max(evidence.log.exceptions());
        Self {
            exceptions,
            unsettled,
            iterations: iterations
                .max(summary.counter("iterations"))
                .max(exceptions),
        }
    }

    /// Whether too many iterations ended with an exception.
    pub fn reason(self, evidence: &Evidence<'_>) -> Option<Reason> {
        let share = self.exceptions as f64 / self.iterations.max(1) as f64;
        let few_enough = share <= evidence.max_exceptions;
        (!few_enough).then(|| Reason::Exceptions {
            exceptions: self.exceptions,
            iterations: self.iterations,
            maximum: evidence.max_exceptions,
            first: self.first(evidence),
        })
    }

    /// What is to be said of exceptions that do not fail the test.
    pub fn notice(self, evidence: &Evidence<'_>) -> Option<String> {
        (self.exceptions > 0).then(|| self.sentence(evidence))
    }

    /// The first of them, if it is known.
    fn first(self, evidence: &Evidence<'_>) -> Option<Exception> {
        let logged = evidence.log.first_exception().cloned();
        let waits = || Exception {
            message: "a promise that is never settled".to_owned(),
            place: None,
        };
        logged.or_else(|| (self.unsettled > 0).then(waits))
    }

    fn sentence(self, evidence: &Evidence<'_>) -> String {
        crate::reason::exceptions(
            self.exceptions,
            self.iterations,
            self.first(evidence).as_ref(),
            usize::MAX,
        )
    }

    /// Counts the exceptions as errors in the error rates that the script itself bounds, and judges
    /// those again.
    pub fn count_as_errors(self, summary: &Summary, rows: &mut [ThresholdRow]) {
        if self.exceptions == 0 {
            return;
        }
        let Some(run) = &summary.load_test else {
            return;
        };
        let own = |row: &&mut ThresholdRow| run.own_thresholds.contains_key(&row.metric);
        for row in rows.iter_mut().filter(own) {
            let metric = summary.metric(&row.metric);
            let Some((metric, it)) = metric.zip(Expression::parse(&row.expression).ok()) else {
                continue;
            };
            if let Some(value) = self.with_errors(metric, it.operator) {
                row.value = Some(value);
                row.note = Some(match self.exceptions {
                    1 => "with 1 exception counted as an error".to_owned(),
                    many => {
                        let count = Quantity::new(many as f64, Unit::Count);
                        format!("with {count} exceptions counted as errors")
                    }
                });
                if !it.operator.holds(value, it.bound) {
                    row.state = ThresholdState::Crossed;
                }
            }
        }
    }

    /// The rate that it would be, had each exception been added as an error: a one where ones are
    /// bounded from above, a zero where they are bounded from below. A rate that has only had
    /// errors added says nothing of the share, and k6's own rates count other things.
    fn with_errors(self, metric: &Metric, operator: Operator) -> Option<f64> {
        let (ones, zeros) = (metric.value("passes")?, metric.value("fails")?);
        let script_s = !["checks", "http_req_failed"].contains(&metric.name.as_str());
        let whole = !metric.name.contains('{');
        if metric.kind != MetricKind::Rate || !script_s || !whole {
            return None;
        }
        let added = self.exceptions as f64;
        let all = ones + zeros + added;
        match operator {
            Operator::Less | Operator::LessOrEqual if zeros > 0.0 => Some((ones + added) / all),
            Operator::Greater | Operator::GreaterOrEqual if ones > 0.0 => Some(ones / all),
            _ => None,
        }
    }
}
