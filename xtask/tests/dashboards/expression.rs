//! What a PromQL expression reads: metrics with the labels that choose among their series, and the labels that group.

use crate::tokens::{Token, behind, tokens};

/// What an expression reads.
#[derive(Debug, Default, PartialEq)]
pub struct Expression {
    /// Its selectors, in order.
    pub selectors: Vec<Selector>,
    /// The labels in `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`.
    pub grouping: Vec<String>,
    /// Texts given to functions that make labels: each may be the name of one.
    pub made: Vec<String>,
}

/// A metric and the labels of its matchers.
#[derive(Debug, Default, PartialEq)]
pub struct Selector {
    /// The metric.
    pub metric: String,
    /// The labels between its braces.
    pub labels: Vec<String>,
}

const GROUPING: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
const KEYWORDS: [&str; 8] = [
    "and", "or", "unless", "offset", "bool", "atan2", "inf", "nan",
];
const AGGREGATIONS: [&str; 12] = [
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "stddev",
    "stdvar",
    "count",
    "count_values",
    "bottomk",
    "topk",
    "quantile",
];
const LABEL_MAKERS: [&str; 3] = ["label_replace", "label_join", "count_values"];

/// Reads `text`, in which Grafana's variables may stand.
///
/// # Errors
/// If it is not understood, or if it chooses metrics by anything but their full name.
pub fn read(text: &str) -> Result<Expression, String> {
    let tokens = tokens(text)?;
    let mut expression = Expression::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = match token {
            Token::Mark('[') => group(&tokens, at, text)?,
            Token::Mark('{') => return Err(format!("a selector without a metric: {text}")),
            Token::Word(word) => expression.word(word, &tokens, at, text)?,
            _ => at + 1,
        };
    }
    Ok(expression)
}

impl Expression {
    /// Takes in the word at `at` and what belongs to it; returns the position behind.
    fn word(
        &mut self,
        word: &str,
        tokens: &[Token],
        at: usize,
        text: &str,
    ) -> Result<usize, String> {
        let next = tokens.get(at + 1);
        let opens = |mark: char| next.is_some_and(|next| next.is(mark));
        let lower = word.to_ascii_lowercase();
        if GROUPING.contains(&lower.as_str()) {
            if !opens('(') {
                return Ok(at + 1);
            }
            let end = group(tokens, at + 1, text)?;
            let labels = tokens[at + 1..end].iter().filter_map(Token::word);
            self.grouping.extend(labels.map(ToOwned::to_owned));
            return Ok(end);
        }
        if KEYWORDS.contains(&lower.as_str()) {
            return Ok(at + 1);
        }
        if opens('(') {
            if LABEL_MAKERS.contains(&word) {
                let end = group(tokens, at + 1, text)?;
                let texts = tokens[at + 1..end].iter();
                self.made.extend(texts.filter_map(|token| match token {
                    Token::Text(text) => Some(text.clone()),
                    _ => None,
                }));
            }
            return Ok(at + 1);
        }
        let grouped = next.and_then(Token::word).is_some_and(|next| {
            let next = next.to_ascii_lowercase();
            next == "by" || next == "without"
        });
        if AGGREGATIONS.contains(&lower.as_str()) && grouped {
            return Ok(at + 1);
        }
        let mut selector = Selector {
            metric: word.to_owned(),
            labels: Vec::new(),
        };
        let mut end = at + 1;
        if opens('{') {
            end = group(tokens, at + 1, text)?;
            selector.labels = labels(&tokens[at + 2..end - 1])
                .ok_or_else(|| format!("matchers not understood: {text}"))?;
        }
        self.selectors.push(selector);
        Ok(end)
    }
}

/// The position behind the group that begins at `open`.
fn group(tokens: &[Token], open: usize, text: &str) -> Result<usize, String> {
    behind(tokens, open).ok_or_else(|| format!("brackets do not match: {text}"))
}

/// The labels of matchers such as `a="b", c=~"d"`.
fn labels(tokens: &[Token]) -> Option<Vec<String>> {
    let parts = tokens.split(|token| token.is(','));
    let parts: Vec<_> = parts.filter(|part| !part.is_empty()).collect();
    let label = |part: &&[Token]| match part {
        [
            Token::Word(label),
            Token::Mark('=' | '!'),
            ..,
            Token::Text(_),
        ] => Some(label.clone()),
        _ => None,
    };
    parts.iter().map(label).collect()
}

fn selector(metric: &str, labels: &[&str]) -> Selector {
    Selector {
        metric: metric.into(),
        labels: labels.iter().map(|&label| label.into()).collect(),
    }
}

#[test]
fn metrics_and_labels_are_found_wherever_they_stand() {
    let read = read(
        "histogram_quantile(0.95, sum by (name, le) (rate(a_seconds{test=~\"$test\", name!~'x|y',}[$__rate_interval])))\
         / on (testid) group_left max without (pod) (b) * ignoring (x) c offset 5m or vector(0) > bool Inf",
    )
    .unwrap();
    assert_eq!(
        read.selectors,
        [
            selector("a_seconds", &["test", "name"]),
            selector("b", &[]),
            selector("c", &[])
        ]
    );
    assert_eq!(read.grouping, ["name", "le", "testid", "pod", "x"]);
    assert_eq!(read.made, [""; 0]);
}

#[test]
fn aggregations_may_group_behind() {
    let read = read("sum(a) by (b) unless count_values(\"d\", rate(c:rate[1h:1m])) by(d)").unwrap();
    assert_eq!(
        read.selectors,
        [selector("a", &[]), selector("c:rate", &[])]
    );
    assert_eq!(read.grouping, ["b", "d"]);
    assert_eq!(read.made, ["d"]);
}

#[test]
fn labels_that_an_expression_makes_are_known() {
    let read = read("label_replace(a, \"short\", \"$1\", \"testid\", \"(.*)-.*\")").unwrap();
    assert_eq!(read.selectors, [selector("a", &[])]);
    assert_eq!(read.made, ["short", "$1", "testid", "(.*)-.*"]);
}

#[test]
fn what_cannot_be_checked_is_an_error() {
    for text in [
        "{__name__=~\"a.*\"}",
        "sum(a{b=\"c\"",
        "a{b}",
        "a{\"b\"=\"c\"}",
        "a{$b=\"c\"}",
        "rate(a[5m)",
    ] {
        assert!(read(text).is_err(), "{text}: {:?}", read(text));
    }
}
