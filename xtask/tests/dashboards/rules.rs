//! The dashboards' own rules, where Grafana itself would show something that is not quite right without a word, and the
//! program that writes them would not notice.

mod expressions;

use serde_json::Value;

use crate::files::{Dashboard, dashboards, list, text};

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

/// What breaks a rule in `dashboard`, a line for each.
fn broken(dashboard: &Dashboard) -> Vec<String> {
    let mut wrong = Vec::new();
    for panel in dashboard
        .panels()
        .into_iter()
        .filter(|it| it["type"] != "row")
    {
        let mut rule = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("panel {}: {what}", panel["title"]));
            }
        };
        rule(!text(&panel["description"]).is_empty(), "no description");
        rule(!list(&panel["targets"]).is_empty(), "asks for nothing");
        let config = &panel["fieldConfig"];
        let overrides = list(&config["overrides"]).iter();
        let of_fields = overrides
            .flat_map(|it| list(&it["properties"]))
            .filter(|property| property["id"] == "unit")
            .map(|property| &property["value"]);
        for unit in std::iter::once(&config["defaults"]["unit"]).chain(of_fields) {
            let known = UNITS.iter().any(|known| unit == known);
            rule(known, &format!("the unit {unit} is not known"));
        }
    }
    datasources(&dashboard.json, &mut wrong);
    for query in dashboard.queries() {
        let broken = expressions::broken(&query.expr, query.instant);
        let line = |what| format!("{}: {what}: {}", query.place, query.expr);
        wrong.extend(broken.into_iter().map(line));
    }
    wrong
}

/// Every data source named anywhere must be the variable, or a dashboard works on one Grafana only.
fn datasources(json: &Value, wrong: &mut Vec<String>) {
    let uid = json["datasource"]["uid"].as_str();
    let built_in = uid == Some("-- Grafana --") && json["builtIn"] == 1;
    if json.get("datasource").is_some() && uid != Some("${datasource}") && !built_in {
        wrong.push(format!("a data source is {}", json["datasource"]));
    }
    let fields = json.as_object().map(|fields| fields.values());
    for value in fields.into_iter().flatten().chain(list(json)) {
        datasources(value, wrong);
    }
}

#[test]
fn dashboards_keep_the_rules() {
    for dashboard in dashboards() {
        assert_eq!(broken(&dashboard), [""; 0], "{}", dashboard.file);
    }
}

#[test]
fn links_lead_to_dashboards_and_their_variables() {
    let dashboards = dashboards();
    let mut count = 0;
    for dashboard in &dashboards {
        // A link such as `/d/UID?var-test=…`.
        for link in dashboard.json.to_string().split("\"/d/").skip(1) {
            let link = link.split('"').next().unwrap();
            let (uid, parameters) = link.split_once('?').unwrap_or((link, ""));
            let target = dashboards.iter().find(|it| it.json["uid"] == uid);
            let target = target.unwrap_or_else(|| panic!("{}: no {uid}", dashboard.file));
            let names = parameters
                .split('&')
                .filter_map(|it| it.strip_prefix("var-"));
            for name in names.map(|it| it.split('=').next().unwrap()) {
                let known = target.variables().iter().any(|it| it["name"] == name);
                assert!(known, "{}: {uid} has no variable {name}", dashboard.file);
            }
            count += 1;
        }
    }
    assert!(count >= 6, "only {count} links");
}
