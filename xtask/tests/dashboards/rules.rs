//! The dashboards' own rules, where Grafana itself would show something that is not quite right without a word.

mod expressions;
mod panels;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::files::{Dashboard, dashboards, list, text};
use crate::variables::question;

const DATASOURCE: &str = "${datasource}";

/// What breaks a rule in `dashboard`, a line for each.
fn broken(dashboard: &Dashboard) -> Vec<String> {
    let mut wrong = of_the_whole(dashboard);
    datasources(&dashboard.json, &mut wrong);
    for variable in dashboard.variables() {
        of_variable(variable, &mut wrong);
    }
    for annotation in dashboard.annotations() {
        // Versions of Grafana differ in which of the two they read.
        if annotation["target"]["expr"] != annotation["expr"] {
            wrong.push(format!("annotation {}: two queries", annotation["name"]));
        }
    }
    let panels = dashboard.panels();
    wrong.extend(panels.iter().flat_map(|panel| panels::broken(panel)));
    let ids = panels.iter().map(|panel| &panel["id"]);
    if ids.clone().any(|id| !id.is_u64()) || !unique(ids.map(Value::to_string)) {
        wrong.push("panel ids are not unique numbers".into());
    }
    for query in dashboard.queries() {
        let broken = expressions::broken(&query.expr, query.instant);
        let line = |what| format!("{}: {what}: {}", query.place, query.expr);
        wrong.extend(broken.into_iter().map(line));
    }
    wrong
}

fn of_the_whole(dashboard: &Dashboard) -> Vec<String> {
    let mut variables = dashboard.variables().iter();
    let datasource = variables.find(|it| it["name"] == "datasource");
    let datasource = datasource.unwrap_or(&Value::Null);
    let json = &dashboard.json;
    let mut wrong = Vec::new();
    for (of, key, expected) in [
        (json, "schemaVersion", json!(39)),
        (json, "editable", json!(false)),
        (json, "__inputs", Value::Null),
        (json, "__requires", Value::Null),
        (json, "id", Value::Null),
        (datasource, "type", json!("datasource")),
        (datasource, "query", json!("prometheus")),
        (datasource, "label", json!("Data source")),
    ] {
        if of[key] != expected {
            wrong.push(format!("{key} is {}, not {expected}", of[key]));
        }
    }
    for key in ["title", "uid", "description"] {
        if text(&json[key]).is_empty() {
            wrong.push(format!("without {key}"));
        }
    }
    wrong
}

fn of_variable(variable: &Value, wrong: &mut Vec<String>) {
    let name = &variable["name"];
    // When the time range changes: a run's names are there only while it ran.
    if variable["type"] == "query" && variable["refresh"] != 2 {
        wrong.push(format!("variable {name}: refresh is not 2"));
    }
    if variable["type"] == "query" && question(variable).is_empty() {
        wrong.push(format!("variable {name}: asks for nothing"));
    }
    if text(&variable["label"]).is_empty() && variable["hide"] != 2 {
        wrong.push(format!("variable {name}: without a label"));
    }
}

/// Every data source named anywhere must be the variable, or a dashboard works on one Grafana only.
fn datasources(json: &Value, wrong: &mut Vec<String>) {
    let uid = json["datasource"]["uid"].as_str();
    let built_in = uid == Some("-- Grafana --") && json["builtIn"] == 1;
    if json.get("datasource").is_some() && uid != Some(DATASOURCE) && !built_in {
        wrong.push(format!("a data source is {}", json["datasource"]));
    }
    let fields = json.as_object().map(|fields| fields.values());
    for value in fields.into_iter().flatten().chain(list(json)) {
        datasources(value, wrong);
    }
}

/// What breaks a rule between dashboards.
fn between(dashboards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    for key in ["uid", "title"] {
        if !unique(dashboards.iter().map(|it| it.json[key].to_string())) {
            wrong.push(format!("two dashboards have one {key}"));
        }
    }
    for dashboard in dashboards {
        // A link such as `/d/UID?var-test=…`.
        for link in dashboard.json.to_string().split("\"/d/").skip(1) {
            let link = link.split('"').next().unwrap_or_default();
            let (uid, parameters) = link.split_once('?').unwrap_or((link, ""));
            let Some(target) = dashboards.iter().find(|it| it.json["uid"] == uid) else {
                wrong.push(format!("{}: there is no dashboard {uid}", dashboard.file));
                continue;
            };
            let variables = parameters
                .split('&')
                .filter_map(|it| it.strip_prefix("var-"));
            for name in variables.filter_map(|it| it.split('=').next()) {
                if !target.variables().iter().any(|it| it["name"] == name) {
                    wrong.push(format!("{}: {uid} has no variable {name}", dashboard.file));
                }
            }
        }
    }
    wrong
}

fn unique(items: impl Iterator<Item = String>) -> bool {
    let mut seen = BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}

#[test]
fn dashboards_keep_the_rules() {
    let dashboards = dashboards();
    for dashboard in &dashboards {
        assert_eq!(broken(dashboard), [""; 0], "{}", dashboard.file);
    }
    assert_eq!(between(&dashboards), [""; 0]);
}

/// Each of the rules is broken in turn in the first dashboard, and must be seen.
#[test]
fn broken_rules_are_seen() {
    let sound = dashboards().remove(0);
    let place = |list: &[&Value], key: &str, value: &str| {
        let at = list.iter().position(|it| it[key] == value);
        at.unwrap().to_string()
    };
    let panel = place(&sound.panels(), "type", "timeseries");
    let variables: Vec<_> = sound.variables().iter().collect();
    let variable = place(&variables, "type", "query");
    let table = r#"
/schemaVersion 38 -> schemaVersion
/editable true -> editable
/uid "" -> without uid
/title "" -> without title
/panels/0/id 2 -> panel ids
/templating/list/0/label "x" -> label is "x"
/templating/list/VARIABLE/refresh 1 -> refresh is not 2
/templating/list/VARIABLE/label "" -> without a label
/panels/PANEL/type "graph" -> type graph
/panels/PANEL/title "" -> without title
/panels/PANEL/description "" -> without description
/panels/PANEL/fieldConfig/defaults/unit "seconds" -> unit
/panels/PANEL/options/legend/showLegend false -> legend
/panels/PANEL/datasource/uid "prometheus" -> data source
/panels/PANEL/targets/0/datasource/uid "-- Mixed --" -> data source
/panels/PANEL/targets/0/refId "" -> refId
/panels/PANEL/targets/0/expr "avg(rate(k6_http_req_duration_p95[5m]))" -> __rate_interval"#;
    let table = table
        .replace("VARIABLE", &variable)
        .replace("PANEL", &panel);
    for line in table.trim().lines() {
        let (change, what) = line.split_once(" -> ").unwrap();
        let (pointer, value) = change.split_once(' ').unwrap();
        let mut changed = sound.clone();
        *changed.json.pointer_mut(pointer).unwrap() = serde_json::from_str(value).unwrap();
        let seen = broken(&changed).join("\n");
        assert!(seen.contains(what), "{line}: {seen}");
    }
    let seen = between(&[sound.clone(), sound]).join("\n");
    for what in ["one uid", "one title", "there is no dashboard"] {
        assert!(seen.contains(what), "{what}: {seen}");
    }
}
