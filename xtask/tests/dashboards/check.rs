//! Whether all that a dashboard asks a filled Prometheus for is there.

use serde_json::Value;

use crate::files::{Dashboard, Query, text};
use crate::fill::{Fill, Values, fill};
use crate::names::Inventory;
use crate::prometheus::{Prometheus, Window, has_data};
use crate::variables::{Choice, fillings, fixed, is_many, label_values, question};

/// Seconds between the points of a query over time, and between two of k6's writes.
pub const STEP: u32 = 5;

/// What Grafana makes of `$__rate_interval` then: four times that.
const RATE_INTERVAL: u32 = 4 * STEP;

/// What is wrong with `dashboard`, a line for each query, variable and name.
pub fn check(
    dashboard: &Dashboard,
    prometheus: &Prometheus,
    inventory: &Inventory,
    window: Window,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let base = built_in(window);
    let mut choices = Vec::new();
    for variable in dashboard.variables() {
        let name = text(&variable["name"]);
        let place = format!("{}, variable {name:?}", dashboard.file);
        match values(variable, &base, &choices, prometheus, inventory, window) {
            Ok(values) => choices.push(Choice {
                name: name.to_owned(),
                values,
                many: is_many(variable),
            }),
            Err(why) => wrong.push(format!("{place}: {why}")),
        }
    }
    for query in dashboard.queries() {
        let unknown = inventory.unknown(&query.expr);
        wrong.extend(
            unknown
                .iter()
                .map(|what| format!("{}: {what}: {}", query.place, query.expr)),
        );
        if let Err(why) = ask(&query, &base, &choices, prometheus, window) {
            wrong.push(format!("{}: {why}", query.place));
        }
    }
    wrong
}

/// The values that `variable` offers, once those before it are chosen.
fn values(
    variable: &Value,
    base: &Values,
    choices: &[Choice],
    prometheus: &Prometheus,
    inventory: &Inventory,
    window: Window,
) -> Result<Vec<String>, String> {
    if let Some(values) = fixed(variable) {
        return Ok(values);
    }
    let question = question(variable);
    let Some(asked) = label_values(question) else {
        return Err(format!("not understood: {question}"));
    };
    if !text(&variable["regex"]).is_empty() {
        return Err("its values pass through a regular expression, which is not understood".into());
    }
    // As a query, so that metric and labels are held against those there are.
    let selector = asked.selector.unwrap_or("vector(0)");
    let unknown = inventory.unknown(&format!("group by ({}) ({selector})", asked.label));
    if !unknown.is_empty() {
        return Err(format!("{}: {question}", unknown.join(", ")));
    }
    let mut filled = question.to_owned();
    for values in fillings(base, choices, None) {
        let selector = asked.selector.map(|it| fill(it, &values)).transpose()?;
        filled = fill(question, &values)?;
        let found = prometheus.label_values(asked.label, selector.as_deref(), window)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(format!("no values for {filled}"))
}

/// Runs `query` with each filling until one has data.
///
/// One will do: a single value of a variable may well have none, as the WebSocket test has no missions.
fn ask(
    query: &Query,
    base: &Values,
    choices: &[Choice],
    prometheus: &Prometheus,
    window: Window,
) -> Result<(), String> {
    let mut filled = String::new();
    for values in fillings(base, choices, query.repeat.as_deref()) {
        filled = fill(&query.expr, &values)?;
        let result = match query.instant {
            true => prometheus.query(&filled, window.to),
            false => prometheus.query_range(&filled, window, STEP),
        };
        if has_data(&result.map_err(|why| format!("{why}: {filled}"))?) {
            return Ok(());
        }
    }
    Err(format!("no data for {filled}"))
}

/// The variables that every dashboard has.
fn built_in(window: Window) -> Values {
    let range = (window.to - window.from).round();
    let one = |value: String| Fill::One(value);
    Values::from([
        ("__rate_interval".into(), one(format!("{RATE_INTERVAL}s"))),
        ("__interval".into(), one(format!("{STEP}s"))),
        ("__range".into(), one(format!("{range}s"))),
        ("__range_s".into(), one(range.to_string())),
    ])
}
