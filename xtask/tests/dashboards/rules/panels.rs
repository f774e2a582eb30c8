//! The rules of a single panel.

use serde_json::Value;

use crate::files::{list, text};

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
pub fn broken(panel: &Value) -> Vec<String> {
    let kind = text(&panel["type"]);
    let mut wrong = match kind {
        "row" => Vec::new(),
        _ => of_data(panel, kind),
    };
    if !TYPES.contains(&kind) {
        wrong.push(format!("type {kind} is not in use here"));
    }
    if text(&panel["title"]).is_empty() {
        wrong.push("without title".into());
    }
    let place = |what| format!("panel {} (id {}): {what}", panel["title"], panel["id"]);
    wrong.into_iter().map(place).collect()
}

fn of_data(panel: &Value, kind: &str) -> Vec<String> {
    let targets = list(&panel["targets"]);
    let ids = targets
        .iter()
        .map(|target| text(&target["refId"]).to_owned());
    let legend = &panel["options"]["legend"];
    let hidden = legend["showLegend"] != true || legend["displayMode"] == "hidden";
    let lacks = |key: &str| {
        targets
            .iter()
            .any(|target| target[key].is_null() || target[key] == "")
    };
    let rules = [
        (
            text(&panel["description"]).is_empty(),
            "without description",
        ),
        (panel["datasource"].is_null(), "without a data source"),
        (
            WITH_LEGEND.contains(&kind) && hidden,
            "the legend is not shown",
        ),
        (!panel["libraryPanel"].is_null(), "is kept elsewhere"),
        (
            !panel["repeat"].is_null(),
            "is repeated, which the live test does not know",
        ),
        (targets.is_empty(), "asks for nothing"),
        (
            lacks("refId") || !super::unique(ids),
            "each query needs a refId of its own",
        ),
        (lacks("datasource"), "a query without a data source"),
        (lacks("expr"), "a query without an expression"),
    ];
    let broken = rules.iter().filter(|(broken, _)| *broken);
    let broken = broken.map(|(_, what)| (*what).to_owned());
    let config = &panel["fieldConfig"];
    let overrides = list(&config["overrides"]).iter();
    let of_fields = overrides
        .flat_map(|it| list(&it["properties"]))
        .filter(|property| property["id"] == "unit")
        .map(|property| &property["value"]);
    let units = std::iter::once(&config["defaults"]["unit"]).chain(of_fields);
    let unknown = units.filter(|unit| !UNITS.contains(&text(unit)));
    broken
        .chain(unknown.map(|unit| format!("the unit {unit} is not known")))
        .collect()
}
