//! Thresholds and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::expression::{Expression, Operator};
use crate::metric::{Metric, MetricKind, without_tags};
use crate::reason::Reason;
use crate::summary::Summary;
use crate::text::one_line;
use crate::unit::{Quantity, Unit};

/// How much of an expression is kept, in characters.
const LONGEST_EXPRESSION: usize = 200;
/// The note of a rule of evidence.
pub(crate) const RULE: &str = "a rule of evidence";

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ThresholdState {
    /// It was kept: by samples, or by a counter that nobody raised.
    Passed,
    /// It was crossed.
    Crossed,
    /// The value is an estimate and the bound among what it can be: it does not pass.
    Undecided,
    /// Its metric has no samples or none that mean anything, or k6 was told not to look.
    NotEvaluated,
}

/// One threshold with the value that it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThresholdRow {
    /// Metric or submetric.
    pub metric: String,
    /// The expression as the script has it: `p(95)<500`.
    pub expression: String,
    /// Which of the metric's values it bounds, such as `p(95)`; none if the expression is of a
    /// form that this crate does not know.
    pub aggregation: Option<String>,
    /// How the value is compared with the bound, such as `<`.
    pub operator: Option<String>,
    /// The bound in `unit`.
    pub bound: Option<f64>,
    /// The value in `unit`; none without samples, or if the summary does not have that value.
    pub value: Option<f64>,
    /// The least and the greatest that the value can be, if it is an estimate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// Unit of bound and value.
    pub unit: Unit,
    /// What became of it.
    pub state: ThresholdState,
    /// What is to be known of the value, or why there is none, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl ThresholdRow {
    /// Whether it bounds the metric called `name` or a submetric of it, such as `checks{url:list}`.
    pub fn is_of(&self, name: &str) -> bool {
        without_tags(&self.metric) == name
    }

    fn new(name: &str, expression: &str, metric: Option<&Metric>, failed: Option<f64>) -> Self {
        let parsed = Expression::parse(expression).ok();
        // A counter that nobody raised is zero; of anything else the zeros mean "no samples".
        let known = |metric: &&Metric| metric.has_samples() || metric.kind == MetricKind::Counter;
        let sampled = metric.filter(known);
        let result = metric.and_then(|metric| metric.thresholds.get(expression));
        let state = match (result, sampled) {
            (Some(it), _) if !it.ok && it.undecided => ThresholdState::Undecided,
            (Some(it), _) if !it.ok => ThresholdState::Crossed,
            (Some(_), Some(_)) => ThresholdState::Passed,
            (Some(_), None) | (None, _) => ThresholdState::NotEvaluated,
        };
        // A crossed threshold was held against something, if only the zero of no samples.
        let measured = sampled.or(metric.filter(|_| state == ThresholdState::Crossed));
        let mut row = Self {
            metric: one_line(name, LONGEST_EXPRESSION),
            expression: one_line(expression, LONGEST_EXPRESSION),
            aggregation: parsed.map(|it| it.aggregation.to_string()),
            operator: parsed.map(|it| it.operator.to_string()),
            bound: parsed.map(|it| it.bound),
            value: measured
                .zip(parsed)
                .and_then(|(metric, it)| metric.aggregate(it.aggregation)),
            interval: measured
                .zip(parsed)
                .and_then(|(metric, it)| metric.interval(it.aggregation)),
            unit: metric
                .zip(parsed)
                .map_or(Unit::None, |(metric, it)| metric.unit(it.aggregation)),
            state,
            note: None,
        };
        if let (Some(metric), Some(it)) = (metric, parsed) {
            row.doubt(metric, it.operator, failed);
        }
        row
    }

    /// Takes the tick from an upper bound on times that are not those of answers: requests that
    /// fail at once are the fastest of all.
    fn doubt(&mut self, metric: &Metric, operator: Operator, failed: Option<f64>) {
        let upper = matches!(operator, Operator::Less | Operator::LessOrEqual);
        if self.state != ThresholdState::Passed || !upper {
            return;
        }
        let note = match failed {
            Some(failed) if failed > 0.5 && metric.times_requests() => format!(
                "says nothing: {} of requests failed",
                Quantity::new(failed, Unit::Ratio)
            ),
            _ if self.value == Some(0.0) && metric.is_duration() => {
                "says nothing: no answer was timed".to_owned()
            }
            _ => return,
        };
        self.state = ThresholdState::NotEvaluated;
        (self.value, self.interval) = (None, None);
        self.note = Some(note);
    }

    /// The bound with its operator and unit: `< 500 ms`, `≤ 1 %`; the expression if it is not understood.
    #[must_use]
    pub fn bound_text(&self) -> String {
        match (&self.operator, self.bound) {
            (Some(operator), Some(bound)) => {
                let sign = match operator.as_str() {
                    "<=" => "≤",
                    ">=" => "≥",
                    other => other,
                };
                format!("{sign} {}", Quantity::new(bound, self.unit))
            }
            _ => self.expression.clone(),
        }
    }

    /// Whether the bound is one from above.
    pub(crate) fn is_upper(&self) -> bool {
        let operator = self.operator.as_deref();
        operator.is_some_and(|it| it.starts_with('<'))
    }

    /// Whether it is a rule of evidence.
    pub(crate) fn is_rule(&self) -> bool {
        self.note.as_deref() == Some(RULE)
    }

    /// The value with its unit: `712.4 ms`; none if it is not known.
    #[must_use]
    pub fn value_text(&self) -> Option<String> {
        let value = Quantity::new(self.value?, self.unit);
        Some(match self.bound {
            Some(bound) => value.distinct_from(bound),
            None => value.to_string(),
        })
    }

    /// Between what the value lies for certain, with its unit: `497.1–501.3 ms`; none unless it is an estimate.
    #[must_use]
    pub fn interval_text(&self) -> Option<String> {
        let (low, high) = self.interval?;
        let text =
            |number| Quantity::new(number, self.unit).distinct_from(self.bound.unwrap_or(number));
        let (low, high) = (text(low), text(high));
        let unit = high.find(' ').map_or("", |at| &high[at..]);
        Some(format!("{}–{high}", low.strip_suffix(unit).unwrap_or(&low)))
    }
}

/// A share of a whole beside the bound that the caller sets it.
pub(crate) fn share(
    metric: &str,
    part: u64,
    whole: u64,
    operator: &str,
    bound: f64,
) -> ThresholdRow {
    let value = (whole > 0).then(|| part as f64 / whole as f64);
    let kept = |value: f64| match operator {
        "<=" => value <= bound,
        _ => value >= bound,
    };
    ThresholdRow {
        metric: metric.to_owned(),
        expression: format!("rate{operator}{bound}"),
        aggregation: Some("rate".to_owned()),
        operator: Some(operator.to_owned()),
        bound: Some(bound),
        value,
        interval: None,
        unit: Unit::Ratio,
        state: match value.map(kept) {
            Some(true) => ThresholdState::Passed,
            Some(false) => ThresholdState::Crossed,
            None => ThresholdState::NotEvaluated,
        },
        note: None,
    }
}

/// Every threshold that k6 judged or the script asked for, by metric and expression.
pub(crate) fn rows(summary: &Summary) -> Vec<ThresholdRow> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let asked = summary.load_test.iter().flat_map(|run| &run.thresholds);
    for (metric, expressions) in asked {
        let all = expressions.iter().map(String::as_str);
        wanted.entry(metric).or_default().extend(all);
    }
    for (name, metric) in &summary.metrics {
        let all = metric.thresholds.keys().map(String::as_str);
        wanted.entry(name).or_default().extend(all);
    }
    wanted.retain(|metric, _| !Summary::is_apart(metric));
    let failed = summary.failed_share();
    wanted
        .iter()
        .flat_map(|(metric, expressions)| expressions.iter().map(move |it| (*metric, *it)))
        .map(|(name, it)| {
            let mut row = ThresholdRow::new(name, it, summary.metric(name), failed);
            row.note = row.note.or_else(|| only_errors(summary, name));
            row
        })
        .collect()
}

/// How many errors there were by WebSocket session, for a rate to which a script adds nothing else: that is 100 % as soon
/// as there is one.
fn only_errors(summary: &Summary, name: &str) -> Option<String> {
    let metric = summary
        .metric(name)
        .filter(|it| it.kind == MetricKind::Rate)?;
    let (ones, zeros) = (metric.value("passes")?, metric.value("fails")?);
    let sessions = summary.counter("ws_sessions") as f64;
    let apart = ["checks", "http_req_failed"]
        .iter()
        .any(|other| name.starts_with(other));
    (ones > 0.0 && zeros == 0.0 && sessions > 0.0 && !apart).then(|| {
        let count = |number| Quantity::new(number, Unit::Count);
        let share = Quantity::new(ones / sessions, Unit::Ratio);
        format!("{} in {} sessions, {share}", count(ones), count(sessions))
    })
}

/// What is wrong with thresholds and rules of evidence.
pub(crate) fn judge_thresholds(
    summary: &Summary,
    thresholds: &[ThresholdRow],
    rules: &[ThresholdRow],
) -> Vec<Reason> {
    let of_threshold = |row: &ThresholdRow| match row.state {
        ThresholdState::Passed => None,
        ThresholdState::Crossed => Some(Reason::ThresholdCrossed(row.clone())),
        ThresholdState::Undecided => Some(Reason::ThresholdUndecided(row.clone())),
        ThresholdState::NotEvaluated => {
            let metric = summary.metric(&row.metric)?;
            let skipped = metric.has_samples() && !metric.thresholds.contains_key(&row.expression);
            skipped.then(|| Reason::ThresholdNotJudged(row.clone()))
        }
    };
    let of_rule = |row: &ThresholdRow| match row.state {
        ThresholdState::Passed => None,
        ThresholdState::Undecided => Some(Reason::ThresholdUndecided(row.clone())),
        _ => Some(Reason::RuleBroken(row.clone())),
    };
    let reasons = thresholds.iter().filter_map(of_threshold);
    let mut reasons: Vec<Reason> = reasons.chain(rules.iter().filter_map(of_rule)).collect();
    let skipped = |reason: &Reason| matches!(reason, Reason::ThresholdNotJudged(_));
    if rules.is_empty() && !reasons.iter().any(skipped) && !proven(summary, thresholds) {
        reasons.push(Reason::NothingEvaluated);
    }
    reasons
}

/// Whether a threshold that speaks for the test was held against samples: one of the script's own
/// or, if it has none that samples could keep, any.
fn proven(summary: &Summary, thresholds: &[ThresholdRow]) -> bool {
    let raised = |row: &&ThresholdRow| {
        let metric = summary.metric(&row.metric);
        metric.is_none_or(|metric| metric.kind != MetricKind::Counter || metric.has_samples())
    };
    let own = |row: &&ThresholdRow| {
        let run = summary.load_test.as_ref();
        run.is_some_and(|run| run.own_thresholds.contains_key(&row.metric))
    };
    let evaluated = |row: &ThresholdRow| row.state != ThresholdState::NotEvaluated;
    let mut of_script = thresholds.iter().filter(raised).filter(own).peekable();
    if of_script.peek().is_some() {
        return of_script.any(evaluated);
    }
    thresholds.iter().filter(raised).any(evaluated)
}
