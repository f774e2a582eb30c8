//! Whether all that a dashboard asks a filled Prometheus for is there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{Dashboard, Query, text};
use crate::names::Inventory;
use crate::prometheus::{Prometheus, Window, has_data};
use crate::promql::{Fill, Values, fill};
use crate::variables::{Source, is_many, source};

/// Seconds between the points of a query over time, and between two of k6's writes.
pub const STEP: u32 = 5;

/// What there is to ask.
pub struct Filled<'p> {
    /// The Prometheus.
    pub prometheus: &'p Prometheus,
    /// The names in it.
    pub inventory: Inventory,
    /// The time that the dashboards show.
    pub window: Window,
}

impl Filled<'_> {
    /// What is wrong with `dashboard`, a line for each query, variable and name.
    pub fn check(&self, dashboard: &Dashboard) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut fillings = vec![self.built_in()];
        for variable in dashboard.variables() {
            let name = text(&variable["name"]);
            match self.choose(variable, &fillings) {
                Ok(chosen) => fillings = chosen,
                Err(why) => wrong.push(format!("{}, variable {name}: {why}", dashboard.file)),
            }
        }
        let complete = wrong.is_empty();
        for query in dashboard.queries() {
            for what in self.inventory.unknown(&query.expr) {
                wrong.push(format!("{}: {what}: {}", query.place, query.expr));
            }
            // Without the variables, each query would only say so once more.
            if complete && let Err(why) = self.ask(&query, &fillings) {
                wrong.push(format!("{}: {why}", query.place));
            }
        }
        wrong
    }

    /// Each of `fillings` with each value of `variable` that it then offers, or with all if several may be chosen.
    fn choose(&self, variable: &Value, fillings: &[Values]) -> Result<Vec<Values>, String> {
        let source = source(variable)?;
        let unknown = match &source {
            Source::Fixed(_) => Vec::new(),
            Source::Series(selector, label) => {
                let grouped = format!("group by ({label}) ({selector})");
                self.inventory.unknown(&grouped)
            }
            Source::Query(expr, _) => self.inventory.unknown(expr),
        };
        if !unknown.is_empty() {
            return Err(format!("{}: {source:?}", unknown.join(", ")));
        }
        let mut chosen = Vec::new();
        for values in fillings {
            let found: Vec<_> = self.values(&source, values)?.into_iter().collect();
            let fills = match is_many(variable) && !found.is_empty() {
                true => vec![Fill::Many(found)],
                false => found.into_iter().map(Fill::One).collect(),
            };
            for fill in fills {
                let mut values = values.clone();
                values.insert(text(&variable["name"]).to_owned(), fill);
                chosen.push(values);
            }
        }
        match chosen.is_empty() {
            true => Err(format!("no values for {source:?}")),
            false => Ok(chosen),
        }
    }

    /// The values that `source` offers when the variables before are `chosen`.
    fn values(&self, source: &Source<'_>, chosen: &Values) -> Result<BTreeSet<String>, String> {
        match source {
            Source::Fixed(value) => Ok(BTreeSet::from([(*value).to_owned()])),
            Source::Series(selector, label) => {
                let selector = fill(selector, chosen)?;
                self.prometheus.label_values(label, &selector, self.window)
            }
            Source::Query(expr, label) => {
                let expr = fill(expr, chosen)?;
                let result = self.prometheus.query(&expr, self.window.to);
                let result = result.map_err(|why| format!("{why}: {expr}"))?;
                let values = result.iter().filter_map(|it| it["metric"][*label].as_str());
                Ok(values.map(ToOwned::to_owned).collect())
            }
        }
    }

    /// Runs `query` with each filling until one has data.
    ///
    /// One will do: with some choices there may well be none, as the WebSocket test has no missions.
    fn ask(&self, query: &Query, fillings: &[Values]) -> Result<(), String> {
        let mut filled = String::new();
        for values in fillings {
            filled = fill(&query.expr, values)?;
            let result = match query.instant {
                true => self.prometheus.query(&filled, self.window.to),
                false => self
                    .prometheus
                    .query_range(&filled, self.window, STEP.into()),
            };
            if has_data(&result.map_err(|why| format!("{why}: {filled}"))?) {
                return Ok(());
            }
        }
        Err(format!("no data for {filled}"))
    }

    /// The variables that every dashboard has.
    pub fn built_in(&self) -> Values {
        let range = (self.window.to - self.window.from).round();
        // What Grafana makes of it with points that far apart.
        let rate_interval = format!("{}s", 4 * STEP);
        Values::from([
            ("__rate_interval".into(), Fill::One(rate_interval)),
            ("__interval".into(), Fill::One(format!("{STEP}s"))),
            ("__range".into(), Fill::One(format!("{range}s"))),
        ])
    }
}
