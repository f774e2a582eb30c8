//! Rules of evidence: what must be seen for a test to pass, apart from its thresholds.
//!
//! A threshold that has samples only when something fails proves nothing when nothing is measured.
//! Rules stand for it. They are written beside the script, by metric as thresholds are:
//!
//! ```json
//! "evidence": {
//!   "checks": ["message has type"],
//!   "rules": {
//!     "ws_messages_received": ["count >= ws_sessions count"],
//!     "ws_session_duration": ["p(5) >= 29000"]
//!   }
//! }
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expression::{Aggregation, ExpressionError, Operator, finite, split};
use crate::summary::Summary;
use crate::threshold::{RULE, ThresholdRow, ThresholdState};
use crate::unit::Unit;

/// What must be seen for a test to pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Names of checks that must have been made, without the groups around them.
    pub checks: Vec<String>,
    /// Rules by metric.
    pub rules: BTreeMap<String, Vec<Rule>>,
}

/// A statistic of a metric, held against a number or against another metric's statistic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule {
    text: String,
    aggregation: Aggregation,
    operator: Operator,
    bound: Bound,
}

#[derive(Debug, Clone, PartialEq)]
enum Bound {
    Number(f64),
    Statistic {
        metric: String,
        aggregation: Aggregation,
    },
}

impl TryFrom<String> for Rule {
    type Error = ExpressionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (aggregation, operator, rest) = split(&text)?;
        let bound = match rest.split_once(char::is_whitespace) {
            Some((metric, statistic)) => Bound::Statistic {
                metric: metric.to_owned(),
                aggregation: Aggregation::parse(statistic)?,
            },
            None => Bound::Number(finite(rest).ok_or_else(|| ExpressionError::new(&text))?),
        };
        Ok(Self {
            aggregation,
            operator,
            bound,
            text,
        })
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.text
    }
}

impl Rules {
    /// Each rule with its value, bound and state. A rule without samples is not evaluated.
    pub(crate) fn rows(&self, summary: &Summary) -> Vec<ThresholdRow> {
        let rules = self.rules.iter();
        rules
            .flat_map(|(metric, rules)| rules.iter().map(move |rule| rule.row(metric, summary)))
            .collect()
    }
}

impl Rule {
    fn row(&self, name: &str, summary: &Summary) -> ThresholdRow {
        let metric = summary.metric(name);
        let sampled = summary.value_of(name, self.aggregation);
        // k6 leaves a counter out that nobody raised.
        let zero = (self.aggregation == Aggregation::Count).then_some(0.0);
        let value = sampled.or(zero);
        let exact = |number: f64| (number, number);
        let interval = metric.and_then(|metric| metric.interval(self.aggregation));
        let (bound, bounds) = match &self.bound {
            Bound::Number(number) => (Some(*number), None),
            Bound::Statistic {
                metric,
                aggregation,
            } => (
                summary.value_of(metric, *aggregation),
                summary
                    .metric(metric)
                    .and_then(|it| it.interval(*aggregation)),
            ),
        };
        let holds = value.zip(bound).map(|(value, bound)| {
            let (value, bound) = (
                interval.unwrap_or(exact(value)),
                bounds.unwrap_or(exact(bound)),
            );
            self.operator.holds_between(value, bound)
        });
        let state = match holds {
            Some(Some(false)) => ThresholdState::Crossed,
            Some(None) => ThresholdState::Undecided,
            // What holds without samples proves nothing.
            Some(_) if sampled.is_some() => ThresholdState::Passed,
            _ => ThresholdState::NotEvaluated,
        };
        ThresholdRow {
            metric: name.to_owned(),
            expression: self.text.clone(),
            aggregation: Some(self.aggregation.to_string()),
            operator: Some(self.operator.to_string()),
            bound,
            value,
            interval: sampled.and(interval),
            unit: match (metric, self.aggregation) {
                (Some(metric), aggregation) => metric.unit(aggregation),
                (None, Aggregation::Count) => Unit::Count,
                (None, _) => Unit::None,
            },
            state,
            note: (state != ThresholdState::NotEvaluated).then(|| RULE.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_in_k6s_spelling() {
        let rule = |text: &str| Rule::try_from(text.to_owned());
        let sessions = rule("count >= ws_sessions count").unwrap();
        assert_eq!(sessions.aggregation, Aggregation::Count);
        assert_eq!(
            sessions.bound,
            Bound::Statistic {
                metric: "ws_sessions".to_owned(),
                aggregation: Aggregation::Count
            }
        );
        assert_eq!(rule("p(5)>=29000").unwrap().bound, Bound::Number(29_000.0));
        for text in [
            "",
            "count",
            "count >=",
            "count >= some",
            "count >= a b",
            "mean < 1",
        ] {
            assert!(rule(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_misspelt_part_is_named() {
        let error = |text| serde_json::from_str::<Rules>(text).unwrap_err().to_string();
        assert!(error(r#"{"check": []}"#).contains("unknown field `check`"));
        let text = r#"{"rules": {"ws_sessions": ["count > lots"]}}"#;
        assert!(error(text).contains("\"count > lots\" is not a threshold expression"));
    }
}
