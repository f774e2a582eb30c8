//! Thresholds as `k6 inspect` prints them.

use k6_summary::{Aggregation, Expression, Operator};
use serde::Deserialize;

/// One of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Threshold {
    /// As most scripts write it.
    Expression(String),
    /// With what it does besides, such as to end the test.
    Whole {
        /// The same expression.
        threshold: String,
    },
}

impl Threshold {
    /// Whether it says how much a trend may be at most: most of them are durations.
    pub fn limits_a_trend(&self) -> bool {
        let (Self::Expression(text) | Self::Whole { threshold: text }) = self;
        Expression::parse(text).is_ok_and(|it| {
            let is_upper = matches!(it.operator, Operator::Less | Operator::LessOrEqual);
            let is_other = matches!(
                it.aggregation,
                Aggregation::Count | Aggregation::Rate | Aggregation::Value
            );
            is_upper && !is_other
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_durations_is_told_from_others() {
        for (text, limits) in [
            (r#""p(95)<500""#, true),
            (
                r#"{"threshold":"avg<=5","abortOnFail":true,"delayAbortEval":"10s"}"#,
                true,
            ),
            (r#""p(5)>10""#, false),
            (r#""rate<0.01""#, false),
            (r#""count<5""#, false),
        ] {
            let it: Threshold = serde_json::from_str(text).unwrap();
            assert_eq!(it.limits_a_trend(), limits, "{text}");
        }
    }
}
