//! Whether what the panels of thresholds show at a run's end is what k6 itself judged: in the same unit, of the same samples.

use serde_json::Value;

use crate::check::Filled;
use crate::files::{Dashboard, list, text};
use crate::lines::draws;
use crate::load::name;
use crate::promql::{Fill, fill};
use crate::support::Done;
use crate::thresholds::{Threshold, of_the_scripts};

/// How many times k6's percentile the panel's may be, and the reverse.
///
/// With few samples the two interpolate differently between the largest; a wrong unit is a thousand times off.
const BETWEEN: std::ops::Range<f64> = 0.5..5.0;

/// Seconds between the points that are asked for. k6 marks its series as over as soon as it ends: the last samples are
/// only there while the script takes its last pause.
const DENSE: f64 = 0.1;

/// What differs, a line for each.
pub fn differences(filled: &Filled<'_>, dashboards: &[Dashboard], runs: &[Done]) -> Vec<String> {
    let mut wrong = Vec::new();
    for threshold in of_the_scripts() {
        let mut compared = 0;
        for run in runs {
            for (place, test, value) in shown(filled, dashboards, &threshold, &name(run)) {
                let judged = judged(run, &test, &threshold);
                let same = judged.is_some_and(|judged| match threshold.quantile {
                    Some(_) => BETWEEN.contains(&(value / judged)),
                    None => (value - judged).abs() < 1e-6,
                });
                if !same {
                    wrong.push(format!("{place}: {value} of {test}, k6 says {judged:?}"));
                }
                compared += 1;
            }
        }
        if compared == 0 {
            wrong.push(format!("nothing shows the whole test's {threshold:?}"));
        }
    }
    wrong
}

/// What the panels of `threshold` show of the whole tests of a run: place, test and value.
fn shown(
    filled: &Filled<'_>,
    dashboards: &[Dashboard],
    threshold: &Threshold,
    testid: &str,
) -> Vec<(String, String, f64)> {
    let mut values = filled.built_in();
    values.insert("testid".into(), Fill::One(testid.to_owned()));
    values.insert("test".into(), Fill::Many(threshold.tests()));
    let mut shown = Vec::new();
    for dashboard in dashboards {
        let panels = dashboard.panels().into_iter();
        let queries = panels
            .filter(|panel| panel["type"] == "timeseries" && draws(panel))
            .filter(|panel| threshold.is_about(panel))
            .flat_map(|panel| dashboard.queries_of(panel));
        for query in queries.filter(|query| !query.expr.contains("(rate(")) {
            let expr = fill(&query.expr, &values).unwrap();
            let result = filled.prometheus.query_range(&expr, filled.window, DENSE);
            shown.extend(result.unwrap().iter().map(|series| {
                let last = list(&series["values"]).last().unwrap();
                let test = text(&series["metric"]["test"]).to_owned();
                (query.place.clone(), test, text(&last[1]).parse().unwrap())
            }));
        }
    }
    shown
}

/// What k6 says itself of a test, in the panel's unit. A rate without samples is 0.
fn judged(run: &Done, test: &str, threshold: &Threshold) -> Option<f64> {
    let tag = threshold.tag.as_ref();
    let tag = tag.map(|(tag, value)| format!("{{{tag}:{value}}}"));
    let metric = format!("{}{}", threshold.metric, tag.unwrap_or_default());
    let values = &run.summary(test)["metrics"][metric]["values"];
    match threshold.quantile {
        Some(quantile) => {
            let percentile = format!("p({})", quantile * 100.0);
            values[percentile].as_f64().map(|it| it / 1000.0)
        }
        None => values.get("rate").map_or(Some(0.0), Value::as_f64),
    }
}
