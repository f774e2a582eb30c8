//! The rules of a single panel.

use serde_json::Value;

use crate::files::{list, text};

/// The types in use; Grafana 11 to 13 have them built in.
const TYPES: [&str; 5] = ["row", "timeseries", "stat", "table", "barchart"];

/// Those of Grafana's units that are in use. It shows an unknown one as a text behind the number.
const UNITS: &str = "none short s percentunit reqps ops bytes Bps";

/// Types that have a legend.
const WITH_LEGEND: [&str; 2] = ["timeseries", "barchart"];

/// What breaks a rule in `panel`, a line for each.
pub fn broken(panel: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rule = |broken: bool, what: &str| {
        if broken {
            let place = format!("panel {} (id {})", panel["title"], panel["id"]);
            wrong.push(format!("{place}: {what}"));
        }
    };
    let kind = text(&panel["type"]);
    let known = TYPES.contains(&kind);
    rule(!known, &format!("type {kind} is not in use here"));
    rule(text(&panel["title"]).is_empty(), "without title");
    if kind == "row" {
        return wrong;
    }
    let no_description = text(&panel["description"]).is_empty();
    rule(no_description, "without description");
    rule(panel["datasource"].is_null(), "without a data source");
    rule(!panel["libraryPanel"].is_null(), "is kept elsewhere");
    let repeated = !panel["repeat"].is_null();
    rule(repeated, "is repeated, which the live test does not know");
    let legend = &panel["options"]["legend"];
    let hidden = legend["showLegend"] != true || legend["displayMode"] == "hidden";
    let hidden = WITH_LEGEND.contains(&kind) && hidden;
    rule(hidden, "the legend is not shown");

    let targets = list(&panel["targets"]);
    rule(targets.is_empty(), "asks for nothing");
    for key in ["refId", "datasource", "expr"] {
        let lacks = |target: &Value| target[key].is_null() || target[key] == "";
        rule(targets.iter().any(lacks), &format!("a query without {key}"));
    }
    let ids = targets.iter().map(|target| target["refId"].to_string());
    rule(!super::unique(ids), "two queries with one refId");

    let config = &panel["fieldConfig"];
    let overrides = list(&config["overrides"]).iter();
    let properties = overrides.flat_map(|it| list(&it["properties"]));
    let of_fields = properties.filter(|property| property["id"] == "unit");
    let of_fields = of_fields.map(|property| &property["value"]);
    for unit in std::iter::once(&config["defaults"]["unit"]).chain(of_fields) {
        let known = UNITS.split(' ').any(|known| unit == known);
        rule(!known, &format!("the unit {unit} is not known"));
    }
    wrong
}
