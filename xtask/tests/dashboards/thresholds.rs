//! The thresholds of the scripts as k6 itself reads them, and the panels that are about each.

use std::process::Command;

use serde_json::Value;

use crate::files::{Panel, list, text};
use crate::support::{k6, root};
use crate::tokens::{Token, tokens};

const TESTS: [&str; 4] = ["health", "missions", "specs", "websocket"];

/// One threshold of the scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The test; `None` if every test has it.
    pub test: Option<&'static str>,
    /// The metric as k6 calls it, without a tag.
    pub metric: String,
    /// The tag that chooses among its samples, such as `expected_response:true`.
    pub tag: Option<String>,
    /// The percentile as a share of one; `None` for the rate of a rate.
    pub quantile: Option<f64>,
    /// The bound, in seconds for a percentile.
    pub bound: f64,
}

/// The thresholds of all four tests.
pub fn of_the_scripts() -> Vec<Threshold> {
    let all: Vec<_> = TESTS.iter().flat_map(|test| of_test(test)).collect();
    let mut thresholds: Vec<Threshold> = Vec::new();
    for threshold in all.clone() {
        let shared = Threshold {
            test: None,
            ..threshold.clone()
        };
        let has = |test| {
            let test = Some(test);
            all.contains(&Threshold {
                test,
                ..threshold.clone()
            })
        };
        let threshold = match TESTS.iter().all(|test| has(*test)) {
            true => shared,
            false => threshold,
        };
        if !thresholds.contains(&threshold) {
            thresholds.push(threshold);
        }
    }
    thresholds
}

fn of_test(test: &'static str) -> Vec<Threshold> {
    let out = Command::new(k6())
        .args(["inspect", "-e", "PROFILE=smoke", "-e"])
        .arg(format!("TEST={test}"))
        .arg(root().join("load-tests/main.js"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{test}: {said}");
    let options: Value = serde_json::from_slice(&out.stdout).unwrap();
    let of_metric = |(metric, expressions): (&String, &Value)| -> Vec<Threshold> {
        let expressions = list(expressions).iter();
        expressions
            .map(|it| it.as_str().unwrap_or(text(&it["threshold"])))
            .map(|expression| threshold(Some(test), metric, expression))
            .collect()
    };
    let metrics = options["thresholds"].as_object().unwrap().iter();
    metrics.flat_map(of_metric).collect()
}

/// Reads `p(95)<500` or `rate<0.01` of `metric` or `metric{tag:value}`.
pub fn threshold(test: Option<&'static str>, metric: &str, expression: &str) -> Threshold {
    let (name, tag) = match metric.split_once('{') {
        Some((name, tag)) => (name, Some(tag.trim_end_matches('}').to_owned())),
        None => (metric, None),
    };
    let (what, bound) = expression.split_once('<').unwrap();
    let bound: f64 = bound.trim_start_matches('=').trim().parse().unwrap();
    let percentile = what.trim().strip_prefix("p(");
    let quantile = percentile.map(|it| it.trim_end_matches(')').parse::<f64>().unwrap() / 100.0);
    assert!(quantile.is_some() || what.trim() == "rate", "{expression}");
    Threshold {
        test,
        metric: name.to_owned(),
        tag,
        quantile,
        bound: match quantile {
            Some(_) => bound / 1000.0,
            None => bound,
        },
    }
}

impl Threshold {
    /// The tests that have it.
    pub fn tests(&self) -> impl Iterator<Item = &'static str> {
        let test = self.test;
        let has = move |it: &&str| test.is_none_or(|test| test == *it);
        TESTS.into_iter().filter(has)
    }

    /// The series that k6 writes of the metric.
    fn series(&self) -> String {
        match self.metric.as_str() {
            // The rate is a constant in each series: the dashboards count requests.
            "http_req_failed" => "k6_http_reqs_total".into(),
            name if self.quantile.is_none() => format!("k6_{name}_rate"),
            name if name.starts_with("http_req_") => format!("k6_{name}_seconds"),
            name => format!("k6_{name}"),
        }
    }

    /// Whether `panel` shows what this is a bound of.
    pub fn is_about(&self, panel: Panel<'_>) -> bool {
        let exprs = list(&panel.json["targets"]).iter();
        exprs
            .map(|target| tokens(text(&target["expr"])).unwrap())
            .any(|tokens| self.is_over_time(&tokens) || self.is_at_the_end(&tokens))
    }

    /// Whether an expression is about k6's own series.
    fn is_over_time(&self, tokens: &[Token]) -> bool {
        let has = |token: Token| tokens.contains(&token);
        let tag = self.tag.as_deref().is_none_or(|tag| {
            let (label, value) = tag.split_once(':').unwrap();
            has(Token::Word(label.into())) && has(Token::Text(value.into()))
        });
        let quantile = self.quantile.map(|it| Token::Number(it.to_string()));
        let test = self.test.map(|it| Token::Text(it.into()));
        tag && quantile.is_none_or(has) && test.is_none_or(has) && has(Token::Word(self.series()))
    }

    /// Whether an expression is about the value of a whole test, of all tests.
    fn is_at_the_end(&self, tokens: &[Token]) -> bool {
        let word = Token::Word("tachikoma_load_test_latency_seconds".into());
        let quantile = self.quantile.map(|it| Token::Text(it.to_string()));
        let names_metric = |token: &Token| match token {
            Token::Text(text) => text.split('|').any(|name| name == self.metric),
            _ => false,
        };
        tokens.contains(&word)
            && quantile.is_some_and(|it| tokens.contains(&it))
            && tokens.iter().any(names_metric)
            && (self.test.is_none() && self.tag.is_none())
    }
}

#[test]
fn thresholds_are_read() {
    assert_eq!(
        threshold(None, "errors", "rate<0.05").series(),
        "k6_errors_rate"
    );
    let custom = threshold(None, "spec_get_duration", "p(95) < 300");
    assert_eq!(custom.series(), "k6_spec_get_duration");
    assert_eq!((custom.quantile, custom.bound), (Some(0.95), 0.3));
}
