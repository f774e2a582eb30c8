//! The rules of a single panel.

use serde_json::Value;

use crate::files::{Panel, list, text};

/// Those that are in use; Grafana 11 to 13 have them built in.
const TYPES: [&str; 5] = ["row", "timeseries", "stat", "table", "barchart"];

/// Those of Grafana's units that are in use. It shows an unknown one as a text behind the number.
const UNITS: [&str; 8] = [
    "none",
    "short",
    "s",
    "percentunit",
    "reqps",
    "ops",
    "bytes",
    "Bps",
];

/// Types that have a legend.
const WITH_LEGEND: [&str; 2] = ["timeseries", "barchart"];

/// What breaks a rule in `panel`, a line for each.
pub fn of_panel(panel: Panel<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let json = panel.json;
    let kind = panel.kind();
    if !TYPES.contains(&kind) {
        wrong.push(format!("type {kind} is not in use here"));
    }
    if panel.title().is_empty() {
        wrong.push("without title".into());
    }
    if panel.has_data() {
        wrong.extend(of_data(json, kind));
    }
    wrong
        .iter()
        .map(|what| format!("panel {:?} (id {}): {what}", panel.title(), json["id"]))
        .collect()
}

fn of_data(json: &Value, kind: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if text(&json["description"]).is_empty() {
        wrong.push("without description".into());
    }
    let unit = text(&json["fieldConfig"]["defaults"]["unit"]);
    let overrides = list(&json["fieldConfig"]["overrides"]).iter();
    let of_fields = overrides
        .flat_map(|it| list(&it["properties"]))
        .filter(|property| property["id"] == "unit")
        .map(|property| text(&property["value"]));
    for unit in std::iter::once(unit).chain(of_fields) {
        if !UNITS.contains(&unit) {
            wrong.push(format!("the unit {unit:?} is not known"));
        }
    }
    if json["datasource"].is_null() {
        wrong.push("without a data source".into());
    }
    let legend = &json["options"]["legend"];
    if WITH_LEGEND.contains(&kind)
        && (legend["showLegend"] != true || legend["displayMode"] == "hidden")
    {
        wrong.push("the legend is not shown".into());
    }
    for (key, why) in [
        ("libraryPanel", "is kept elsewhere"),
        ("repeat", "is repeated, which the live test does not know"),
    ] {
        if !json[key].is_null() {
            wrong.push(why.into());
        }
    }
    let targets = list(&json["targets"]);
    if targets.is_empty() {
        wrong.push("asks for nothing".into());
    }
    let ids = targets
        .iter()
        .map(|target| text(&target["refId"]).to_owned());
    if ids.clone().any(|id| id.is_empty()) || !super::unique(ids) {
        wrong.push("each query needs a refId of its own".into());
    }
    for target in targets {
        if target["datasource"].is_null() {
            wrong.push("a query without a data source".into());
        }
        if text(&target["expr"]).is_empty() {
            wrong.push("a query without an expression".into());
        }
    }
    wrong
}
