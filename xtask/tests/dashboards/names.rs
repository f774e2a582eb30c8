//! The metrics and labels that there are, and whether an expression names others.
//!
//! A query with `or vector(0)` has data whatever it asks for, so that only this sees a renamed metric in it.

use std::collections::{BTreeMap, BTreeSet};

use rusty_promql_parser::Expr;

use crate::promql::{grouping, parse, parts, selectors};

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
        let expr = match parse(expr) {
            Ok(expr) => expr,
            Err(why) => return vec![why],
        };
        let anywhere = |label: &String| self.metrics.values().any(|has| has.contains(label));
        let mut unknown = Vec::new();
        let mut read = Vec::new();
        for selector in selectors(&expr) {
            let Some(name) = &selector.name else {
                unknown.push("a selector without a metric".to_owned());
                continue;
            };
            let has = self.metrics.get(name);
            if has.is_none() && !MAY_BE_ABSENT.contains(&name.as_str()) {
                unknown.push(format!("there is no metric {name}"));
            }
            for label in selector.matchers.iter().map(|matcher| &matcher.name) {
                if !has.map_or_else(|| anywhere(label), |has| has.contains(label)) {
                    unknown.push(format!("{name} has no label {label}"));
                }
            }
            read.extend(has);
        }
        // Texts for functions that make labels: each may be the name of one.
        let makes = |label: &String| parts(&expr).contains(&&Expr::String(label.clone()));
        for label in grouping(&expr) {
            let there = match read.is_empty() {
                true => anywhere(label),
                false => read.iter().any(|has| has.contains(label)),
            };
            if !there && !makes(label) {
                unknown.push(format!("nothing here has a label {label} to group by"));
            }
        }
        unknown
    }
}
