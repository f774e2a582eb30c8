//! The thresholds of the scripts as k6 itself reads them, and the panels that are about each.

use std::process::Command;

use rusty_promql_parser::{Expr, VectorSelector};
use serde_json::Value;

use crate::files::{list, text};
use crate::promql::{parse, parts, selectors};
use crate::support::{files, k6, root};

/// One threshold of the scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// The test; `None` if every test has it.
    pub test: Option<String>,
    /// The metric as k6 calls it, without a tag.
    pub metric: String,
    /// The tag that chooses among its samples, such as `expected_response` and `true`.
    pub tag: Option<(String, String)>,
    /// The percentile as a share of one; `None` for the rate of a rate.
    pub quantile: Option<f64>,
    /// The bound, in seconds for a percentile.
    pub bound: f64,
}

/// The tests, which are the scripts.
pub fn tests() -> Vec<String> {
    let scripts = files(&root().join("load-tests/tests"));
    let name = |script: std::path::PathBuf| {
        let stem = script.file_stem()?.to_str()?;
        Some(stem.strip_prefix("api-").unwrap_or(stem).to_owned())
    };
    scripts.into_iter().filter_map(name).collect()
}

/// The thresholds of all tests.
pub fn of_the_scripts() -> Vec<Threshold> {
    let tests = tests().into_iter();
    let all: Vec<_> = tests.map(|test| (of_test(&test), test)).collect();
    let mut thresholds = Vec::new();
    for (its, test) in &all {
        for threshold in its {
            let shared = all.iter().all(|(its, _)| its.contains(threshold));
            let mut threshold = threshold.clone();
            threshold.test = (!shared).then(|| test.clone());
            if !thresholds.contains(&threshold) {
                thresholds.push(threshold);
            }
        }
    }
    thresholds
}

fn of_test(test: &str) -> Vec<Threshold> {
    let out = Command::new(k6())
        .args(["inspect", "-e", "PROFILE=smoke", "-e"])
        .arg(format!("TEST={test}"))
        .arg(root().join("load-tests/main.js"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{test}: {said}");
    let options: Value = serde_json::from_slice(&out.stdout).unwrap();
    let mut thresholds = Vec::new();
    for (metric, expressions) in options["thresholds"].as_object().unwrap() {
        for expression in list(expressions) {
            let plain = expression.as_str();
            let expression = plain.unwrap_or_else(|| text(&expression["threshold"]));
            thresholds.push(threshold(metric, expression));
        }
    }
    thresholds
}

/// Reads `p(95)<500` or `rate<0.01` of `metric` or `metric{tag:value}`.
pub fn threshold(metric: &str, expression: &str) -> Threshold {
    let (name, tag) = metric.split_once('{').unwrap_or((metric, ""));
    let (what, bound) = expression.split_once('<').unwrap();
    let bound: f64 = bound.trim_start_matches('=').trim().parse().unwrap();
    let percentile = what.trim().strip_prefix("p(");
    let quantile = percentile.map(|it| it.trim_end_matches(')').parse::<f64>().unwrap() / 100.0);
    assert!(quantile.is_some() || what.trim() == "rate", "{expression}");
    let tag = tag.trim_end_matches('}').split_once(':');
    Threshold {
        test: None,
        metric: name.to_owned(),
        tag: tag.map(|(tag, value)| (tag.to_owned(), value.to_owned())),
        quantile,
        bound: quantile.map_or(bound, |_| bound / 1000.0),
    }
}

/// Whether a selector asks for this value of a label, alone or among others.
fn asks(selector: &VectorSelector, label: &str, value: &str) -> bool {
    let mut matchers = selector.matchers.iter();
    matchers.any(|it| it.name == label && it.value.split('|').any(|one| one == value))
}

impl Threshold {
    /// The tests that have it.
    pub fn tests(&self) -> Vec<String> {
        self.test.clone().map_or_else(tests, |test| vec![test])
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
    pub fn is_about(&self, panel: &Value) -> bool {
        let exprs = list(&panel["targets"]).iter();
        let mut exprs = exprs.map(|target| parse(text(&target["expr"])).unwrap());
        exprs.any(|expr| self.is_over_time(&expr) || self.is_at_the_end(&expr))
    }

    /// Whether an expression is about k6's own series.
    fn is_over_time(&self, expr: &Expr) -> bool {
        let test = self.test.as_deref().map(|test| ("test", test));
        let tag = self
            .tag
            .as_ref()
            .map(|(tag, value)| (tag.as_str(), value.as_str()));
        let asked = selectors(expr).into_iter().any(|selector| {
            let mut labels = test.into_iter().chain(tag);
            selector.name.as_ref() == Some(&self.series())
                && labels.all(|(label, value)| asks(selector, label, value))
        });
        let has = |number| parts(expr).contains(&&Expr::Number(number));
        asked && self.quantile.is_none_or(has)
    }

    /// Whether an expression is about the value of a whole test, of all tests.
    fn is_at_the_end(&self, expr: &Expr) -> bool {
        let Some(quantile) = self.quantile.map(|it| it.to_string()) else {
            return false;
        };
        let asked = selectors(expr).into_iter().any(|selector| {
            selector.name.as_deref() == Some("tachikoma_load_test_latency_seconds")
                && asks(selector, "quantile", &quantile)
                && asks(selector, "metric", &self.metric)
        });
        asked && self.test.is_none() && self.tag.is_none()
    }
}
