//! Threshold expressions.

use std::fmt;

/// A threshold as scripts write it: `p(95)<500`. See
/// <https://grafana.com/docs/k6/latest/using-k6/thresholds/#threshold-expression-syntax>.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expression {
    /// Which of the metric's values is held against the bound.
    pub aggregation: Aggregation,
    /// How.
    pub operator: Operator,
    /// The bound, in the metric's own unit: a time's is in milliseconds, a rate's from 0 to 1.
    pub bound: f64,
}

/// One of the values into which k6 aggregates a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregation {
    /// Sum of a counter, or number of samples of a trend.
    Count,
    /// Events per second of a counter, or share of a rate.
    Rate,
    /// Latest value of a gauge.
    Value,
    /// Mean of a trend.
    Avg,
    /// Least value of a trend.
    Min,
    /// Median of a trend.
    Med,
    /// Greatest value of a trend.
    Max,
    /// The value that this percentage of a trend's samples does not exceed.
    Percentile(f64),
}

/// How a value is compared with a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `==`, also written `===`
    Equal,
    /// `!=`
    NotEqual,
}

/// Why a text is no threshold expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a threshold expression such as p(95)<500")]
pub struct ExpressionError {
    text: String,
}

/// Longer ones first, since some begin with others.
const OPERATORS: [(&str, Operator); 7] = [
    ("===", Operator::Equal),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

/// Percentiles apart, whose number may be written in several ways.
const NAMES: [(&str, Aggregation); 7] = [
    ("count", Aggregation::Count),
    ("rate", Aggregation::Rate),
    ("value", Aggregation::Value),
    ("avg", Aggregation::Avg),
    ("min", Aggregation::Min),
    ("med", Aggregation::Med),
    ("max", Aggregation::Max),
];

impl Expression {
    /// Reads an expression; white space between its parts does not matter.
    ///
    /// # Errors
    /// Names the text if it does not follow k6's grammar.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let (aggregation, operator, bound) = split(text)?;
        Ok(Self {
            aggregation,
            operator,
            bound: finite(bound).ok_or_else(|| ExpressionError::new(text))?,
        })
    }
}

impl ExpressionError {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }
}

/// The statistic, the operator, and what stands behind it.
pub(crate) fn split(text: &str) -> Result<(Aggregation, Operator, &str), ExpressionError> {
    let error = || ExpressionError::new(text);
    let at = text.find(['<', '>', '=', '!']).ok_or_else(error)?;
    let (aggregation, rest) = text.split_at(at);
    let (operator, rest) = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)))
        .ok_or_else(error)?;
    let aggregation = Aggregation::parse(aggregation).map_err(|_| error())?;
    Ok((aggregation, operator, rest.trim()))
}

impl Operator {
    /// Whether the value keeps to the bound.
    pub(crate) fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::LessOrEqual => value <= bound,
            Self::Greater => value > bound,
            Self::GreaterOrEqual => value >= bound,
            Self::Equal => value == bound,
            Self::NotEqual => value != bound,
        }
    }

    /// The same of a value and a bound of which only is known between what they are; `None` if it depends.
    pub(crate) fn holds_between(self, value: (f64, f64), bound: (f64, f64)) -> Option<bool> {
        let apart = value.1 < bound.0 || bound.1 < value.0;
        let known = value.0 == value.1 && bound.0 == bound.1;
        match self {
            Self::Equal | Self::NotEqual if apart || known => Some(self.holds(value.0, bound.0)),
            Self::Equal | Self::NotEqual => None,
            _ => {
                let ends = (self.holds(value.0, bound.1), self.holds(value.1, bound.0));
                (ends.0 == ends.1).then_some(ends.0)
            }
        }
    }
}

impl Aggregation {
    /// Reads the name of a value as in `summaryTrendStats` and thresholds: `med`, `p(99.9)`.
    ///
    /// # Errors
    /// Names the text if it is none of them.
    pub fn parse(text: &str) -> Result<Self, ExpressionError> {
        let text = text.trim();
        let named = NAMES.iter().find(|(name, _)| *name == text);
        let percentile = || {
            text.strip_prefix("p(")
                .and_then(|rest| finite(rest.strip_suffix(')')?))
                .filter(|percent| (0.0..=100.0).contains(percent))
                .map(Self::Percentile)
        };
        named
            .map(|(_, aggregation)| *aggregation)
            .or_else(percentile)
            .ok_or_else(|| ExpressionError::new(text))
    }
}

impl fmt::Display for Aggregation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, NAMES.iter().find(|(_, it)| it == self)) {
            (Self::Percentile(percent), _) => write!(f, "p({percent})"),
            (_, named) => f.write_str(named.map_or("", |(name, _)| name)),
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of the two ways to write `==` the shorter one is the last.
        let sign = OPERATORS.iter().rfind(|(_, it)| it == self);
        f.write_str(sign.map_or("", |(sign, _)| sign))
    }
}

/// Rust also reads `inf` and `nan`, which are no bounds.
pub(crate) fn finite(text: &str) -> Option<f64> {
    text.trim()
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_that_k6_reads() {
        let table = [
            (
                "p(95)<500",
                Aggregation::Percentile(95.0),
                Operator::Less,
                500.0,
            ),
            (
                "p(99.9) <= 1.5e3",
                Aggregation::Percentile(99.9),
                Operator::LessOrEqual,
                1500.0,
            ),
            ("rate<0.01", Aggregation::Rate, Operator::Less, 0.01),
            (" rate > 0.95 ", Aggregation::Rate, Operator::Greater, 0.95),
            (
                "count>=10",
                Aggregation::Count,
                Operator::GreaterOrEqual,
                10.0,
            ),
            ("value==3", Aggregation::Value, Operator::Equal, 3.0),
            ("value===3", Aggregation::Value, Operator::Equal, 3.0),
            ("med!=0", Aggregation::Med, Operator::NotEqual, 0.0),
            ("avg<5", Aggregation::Avg, Operator::Less, 5.0),
            ("min>-5", Aggregation::Min, Operator::Greater, -5.0),
            ("max<.5", Aggregation::Max, Operator::Less, 0.5),
        ];
        for (text, aggregation, operator, bound) in table {
            let expected = Expression {
                aggregation,
                operator,
                bound,
            };
            assert_eq!(Expression::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_what_is_no_expression() {
        for text in [
            "",
            "p(95)",
            "<500",
            "p95<500",
            "p(95<500",
            "p()<1",
            "p(101)<1",
            "p(-1)<1",
            "p(nan)<1",
            "rate<",
            "rate<fast",
            "rate<inf",
            "rate=1",
            "rate!1",
            "rate<<1",
            "größer<1",
        ] {
            let error = Expression::parse(text).expect_err(text);
            assert_eq!(
                error.to_string(),
                format!("\"{text}\" is not a threshold expression such as p(95)<500")
            );
        }
    }
}
