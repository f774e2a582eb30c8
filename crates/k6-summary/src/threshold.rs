//! Thresholds and what became of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::expression::Expression;
use crate::metric::Metric;
use crate::summary::Summary;
use crate::unit::{Quantity, Unit};

/// What became of a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdState {
    /// It was kept by samples.
    Passed,
    /// It was crossed.
    Crossed,
    /// Its metric has no samples, or k6 was told not to look.
    NotEvaluated,
}

/// One threshold with the value that it was held against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Unit of bound and value.
    pub unit: Unit,
    /// What became of it.
    pub state: ThresholdState,
}

impl ThresholdRow {
    fn new(name: &str, expression: &str, metric: Option<&Metric>) -> Self {
        let parsed = Expression::parse(expression).ok();
        let sampled = metric.filter(|metric| metric.has_samples());
        let ok = metric
            .and_then(|metric| metric.thresholds.get(expression))
            .map(|result| result.ok);
        let state = match (ok, sampled) {
            (Some(false), _) => ThresholdState::Crossed,
            (Some(true), Some(_)) => ThresholdState::Passed,
            (Some(true), None) | (None, _) => ThresholdState::NotEvaluated,
        };
        // A crossed threshold was held against something, if only the zero of no samples.
        let measured = sampled.or(metric.filter(|_| state == ThresholdState::Crossed));
        Self {
            metric: name.to_owned(),
            expression: expression.to_owned(),
            aggregation: parsed.map(|it| it.aggregation.to_string()),
            operator: parsed.map(|it| it.operator.to_string()),
            bound: parsed.map(|it| it.bound),
            value: measured
                .zip(parsed)
                .and_then(|(metric, it)| metric.aggregate(it.aggregation)),
            unit: metric
                .zip(parsed)
                .map_or(Unit::None, |(metric, it)| metric.unit(it.aggregation)),
            state,
        }
    }

    /// The bound with its operator and unit: `< 500 ms`; the expression if it is not understood.
    #[must_use]
    pub fn bound_text(&self) -> String {
        match (&self.operator, self.bound) {
            (Some(operator), Some(bound)) => {
                format!("{operator} {}", Quantity::new(bound, self.unit))
            }
            _ => self.expression.clone(),
        }
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
    wanted
        .iter()
        .flat_map(|(metric, expressions)| expressions.iter().map(move |it| (*metric, *it)))
        .map(|(name, expression)| ThresholdRow::new(name, expression, summary.metric(name)))
        .collect()
}
