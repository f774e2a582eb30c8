//! The lines in the panels are the thresholds of the scripts, as k6 itself reads them, and all of them.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;

use crate::files::{Dashboard, Panel, dashboards, list, text};
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
fn threshold(test: Option<&'static str>, metric: &str, expression: &str) -> Threshold {
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

/// The lines of a panel, in seconds or as a share of one.
fn lines(panel: Panel<'_>) -> Vec<f64> {
    let config = &panel.json["fieldConfig"];
    let unit = text(&config["defaults"]["unit"]);
    let overrides = list(&config["overrides"]).iter();
    let of_fields = overrides
        .flat_map(|it| list(&it["properties"]))
        .filter(|property| property["id"] == "thresholds")
        .map(|property| &property["value"]);
    let steps = std::iter::once(&config["defaults"]["thresholds"])
        .chain(of_fields)
        .flat_map(|thresholds| list(&thresholds["steps"]));
    // The first step has no value: it is the colour below all lines.
    let values = steps.filter_map(|step| step["value"].as_f64());
    values
        .map(|value| match unit {
            "ms" => value / 1000.0,
            "percent" => value / 100.0,
            _ => value,
        })
        .collect()
}

/// Whether `panel` draws lines at its thresholds.
pub fn draws(panel: Panel<'_>) -> bool {
    let style = &panel.json["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"];
    panel.kind() == "timeseries"
        && ["line", "dashed", "line+area", "dashed+area"].contains(&text(style))
}

/// What differs between `thresholds` and the lines of `dashboards`, a line for each.
fn differences(thresholds: &[Threshold], dashboards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let panels: Vec<_> = dashboards
        .iter()
        .flat_map(|dashboard| {
            dashboard
                .panels()
                .into_iter()
                .map(move |panel| (dashboard, panel))
        })
        .filter(|(_, panel)| panel.has_data())
        .collect();
    for threshold in thresholds {
        let drawn = panels.iter().any(|(_, panel)| {
            draws(*panel) && threshold.is_about(*panel) && lines(*panel).contains(&threshold.bound)
        });
        if !drawn {
            wrong.push(format!("no panel has the line of {threshold:?}"));
        }
    }
    for (dashboard, panel) in panels {
        let place = format!("{}, panel {:?}", dashboard.file, panel.title());
        let about: Vec<_> = thresholds.iter().filter(|it| it.is_about(panel)).collect();
        let lines = if draws(panel) {
            lines(panel)
        } else {
            Vec::new()
        };
        for line in &lines {
            if !about.iter().any(|threshold| threshold.bound == *line) {
                wrong.push(format!("{place}: a line at {line} that is no threshold"));
            }
        }
        // A line of another test alone would mislead, and so would a bound that is left out.
        for threshold in about.iter().filter(|_| draws(panel)) {
            if !lines.contains(&threshold.bound) {
                wrong.push(format!("{place}: without the line of {threshold:?}"));
            }
        }
    }
    wrong
}

#[test]
fn lines_are_the_thresholds_of_the_scripts() {
    let thresholds = of_the_scripts();
    let names: BTreeSet<_> = thresholds.iter().map(|it| &it.metric).collect();
    assert!(names.len() >= 9, "{thresholds:?}");
    let wrong = differences(&thresholds, &dashboards());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[cfg(test)]
fn made_up(unit: &str, line: f64, expr: &str) -> Dashboard {
    crate::files::made_up(serde_json::json!({"panels": [{
        "type": "timeseries",
        "title": "a",
        "targets": [{"expr": expr}],
        "fieldConfig": {"defaults": {
            "unit": unit,
            "custom": {"thresholdsStyle": {"mode": "dashed"}},
            "thresholds": {"steps": [{"color": "green", "value": null}, {"color": "red", "value": line}]},
        }},
    }]}))
}

#[test]
fn another_bound_is_seen_from_both_sides() {
    let expr = "histogram_quantile(0.99, sum(rate(k6_http_req_duration_seconds{expected_response=\"true\"}[$__rate_interval])))";
    let bound = threshold(
        None,
        "http_req_duration{expected_response:true}",
        "p(99)<1500",
    );
    let rate = threshold(None, "errors", "rate<0.01");
    for (threshold, unit, line, expr, differs) in [
        (&bound, "s", 1.5, expr, 0),
        (&bound, "ms", 1500.0, expr, 0),
        // No panel has it, a line that is none, and this panel should have it.
        (&bound, "s", 1.4, expr, 3),
        (&bound, "ms", 1.5, expr, 3),
        // Another percentile, all responses, another metric.
        (&bound, "s", 1.5, &expr.replace("0.99", "0.95"), 2),
        (
            &bound,
            "s",
            1.5,
            &expr.replace("expected_response=\"true\"", ""),
            2,
        ),
        (&bound, "s", 1.5, &expr.replace("duration", "waiting"), 2),
        (&rate, "percentunit", 0.01, "max(k6_errors_rate)", 0),
        (&rate, "percentunit", 0.05, "max(k6_errors_rate)", 3),
    ] {
        let seen = differences(
            std::slice::from_ref(threshold),
            &[made_up(unit, line, expr)],
        );
        assert_eq!(seen.len(), differs, "{unit} {line} {expr}: {seen:?}");
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
