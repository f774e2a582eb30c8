//! The metrics and labels that there are, and whether an expression names others.
//!
//! A query with `or vector(0)` has data whatever it asks for, so that only this sees a renamed metric in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::expression::read;

/// Metrics that a sound run does not make.
const MAY_BE_ABSENT: [&str; 2] = ["k6_dropped_iterations_total", "k6_ws_errors_rate"];

/// The metrics that there are, with the labels of each.
#[derive(Debug, Default)]
pub struct Inventory {
    metrics: BTreeMap<String, BTreeSet<String>>,
}

impl Inventory {
    /// Takes in a series of `metric`.
    pub fn add<'l>(&mut self, metric: &str, labels: impl IntoIterator<Item = &'l str>) {
        let all = self.metrics.entry(metric.to_owned()).or_default();
        all.extend(labels.into_iter().map(ToOwned::to_owned));
    }

    /// What `expr` names that is not there, a sentence for each.
    pub fn unknown(&self, expr: &str) -> Vec<String> {
        let expression = match read(expr) {
            Ok(expression) => expression,
            Err(why) => return vec![why],
        };
        let mut unknown = Vec::new();
        for selector in &expression.selectors {
            let name = selector.metric.as_str();
            let Some(has) = self.metrics.get(name) else {
                if !MAY_BE_ABSENT.contains(&name) {
                    unknown.push(format!("there is no metric {name}"));
                }
                let labels = selector.labels.iter().filter(|label| !self.is_label(label));
                unknown.extend(labels.map(|label| format!("no metric has a label {label}")));
                continue;
            };
            let labels = selector.labels.iter().filter(|label| !has.contains(*label));
            unknown.extend(labels.map(|label| format!("{name} has no label {label}")));
        }
        let read: Vec<_> = expression
            .selectors
            .iter()
            .filter_map(|selector| self.metrics.get(&selector.metric))
            .collect();
        for label in &expression.grouping {
            let there = match read.is_empty() {
                true => self.is_label(label),
                false => read.iter().any(|labels| labels.contains(label)),
            };
            if !there && !expression.made.contains(label) {
                unknown.push(format!("nothing here has a label {label} to group by"));
            }
        }
        unknown
    }

    fn is_label(&self, label: &str) -> bool {
        self.metrics.values().any(|labels| labels.contains(label))
    }
}

fn inventory() -> Inventory {
    let mut inventory = Inventory::default();
    inventory.add("k6_http_reqs_total", ["testid", "status"]);
    inventory.add("k6_http_reqs_total", ["testid", "group"]);
    inventory.add("k6_vus", ["testid", "test"]);
    inventory
}

#[test]
fn what_is_there_is_known() {
    for expr in [
        "sum by (group, status) (rate(k6_http_reqs_total{testid=~\"$testid\"}[$__rate_interval])) or vector(0)",
        "k6_vus * on (testid) group_left (status) k6_http_reqs_total{group!=\"\"}",
        "k6_dropped_iterations_total{testid=\"$testid\", test=\"health\"} or vector(0)",
        "sum by (short) (label_replace(k6_vus, \"short\", \"$1\", \"testid\", \"(.*)\"))",
    ] {
        assert_eq!(inventory().unknown(expr), [""; 0], "{expr}");
    }
}

#[test]
fn a_renamed_metric_or_label_is_unknown() {
    for (expr, what) in [
        (
            "sum(rate(k6_requests_total[$__rate_interval])) or vector(0)",
            "k6_requests_total",
        ),
        (
            "k6_vus{run=~\"$testid\"} or vector(0)",
            "k6_vus has no label run",
        ),
        // A label of another metric.
        ("k6_vus{status=\"200\"}", "k6_vus has no label status"),
        (
            "sum by (run) (k6_vus) or vector(0)",
            "label run to group by",
        ),
        (
            "k6_dropped_iterations_total{run=\"a\"} or vector(0)",
            "no metric has a label run",
        ),
        (
            "k6_vus / on (run) k6_http_reqs_total",
            "label run to group by",
        ),
        ("sum by (kind) (k6_dropped_iterations_total)", "label kind"),
        ("{__name__=~\"k6_.*\"}", "without a metric"),
    ] {
        let unknown = inventory().unknown(expr);
        assert_eq!(unknown.len(), 1, "{expr}: {unknown:?}");
        assert!(unknown[0].contains(what), "{expr}: {unknown:?}");
    }
}
