//! The dashboards' own rules, where Grafana itself would show something that is not quite right without a word.

mod expressions;
mod panels;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::files::{Dashboard, dashboards, list, text};
use crate::variables::question;

const DATASOURCE: &str = "${datasource}";

#[test]
fn dashboards_keep_the_rules() {
    let dashboards = dashboards();
    let mut wrong: Vec<_> = dashboards.iter().flat_map(broken).collect();
    wrong.extend(between(&dashboards));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What breaks a rule in `dashboard`, a line for each.
fn broken(dashboard: &Dashboard) -> Vec<String> {
    let mut wrong = of_the_whole(&dashboard.json);
    wrong.extend(datasources(&dashboard.json));
    for variable in dashboard.variables() {
        wrong.extend(of_variable(variable));
    }
    for annotation in dashboard.annotations() {
        // Versions of Grafana differ in which of the two they read.
        if annotation["target"]["expr"] != annotation["expr"] {
            wrong.push(format!("annotation {}: two queries", annotation["name"]));
        }
    }
    for panel in dashboard.panels() {
        wrong.extend(panels::of_panel(panel));
    }
    let ids: Vec<_> = dashboard.panels().iter().map(|p| &p.json["id"]).collect();
    if ids.iter().any(|id| !id.is_u64()) || !unique(ids.iter().map(ToString::to_string)) {
        wrong.push("panel ids are not unique numbers".into());
    }
    for query in dashboard.queries() {
        let broken = expressions::broken(&query.expr, query.instant);
        let line = |what| format!("{}: {what}: {}", query.place, query.expr);
        wrong.extend(broken.into_iter().map(line));
    }
    let file = &dashboard.file;
    wrong
        .iter()
        .map(|what| match what.starts_with(file) {
            true => what.clone(),
            false => format!("{file}, {what}"),
        })
        .collect()
}

fn of_the_whole(json: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, expected) in [
        ("schemaVersion", serde_json::json!(39)),
        ("editable", serde_json::json!(false)),
        ("__inputs", Value::Null),
        ("__requires", Value::Null),
        ("id", Value::Null),
    ] {
        if json[key] != expected {
            wrong.push(format!("{key} is {}, not {expected}", json[key]));
        }
    }
    for key in ["title", "uid", "description"] {
        if text(&json[key]).is_empty() {
            wrong.push(format!("without {key}"));
        }
    }
    let variables = list(&json["templating"]["list"]);
    let datasource = variables.iter().find(|it| it["name"] == "datasource");
    match datasource {
        Some(it) => {
            for (key, expected) in [
                ("type", "datasource"),
                ("query", "prometheus"),
                ("label", "Data source"),
            ] {
                if it[key] != expected {
                    wrong.push(format!("variable datasource: {key} is {}", it[key]));
                }
            }
        }
        None => wrong.push("without a variable datasource".into()),
    }
    wrong
}

fn of_variable(variable: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let name = text(&variable["name"]);
    if variable["type"] == "query" {
        // When the time range changes: a run's names are there only while it ran.
        if variable["refresh"] != 2 {
            wrong.push(format!("variable {name}: refresh is not 2"));
        }
        if question(variable).is_empty() {
            wrong.push(format!("variable {name}: asks for nothing"));
        }
    }
    let label = variable["label"].as_str().is_some_and(|it| !it.is_empty());
    if !label && variable["hide"] != 2 {
        wrong.push(format!("variable {name}: without a label"));
    }
    wrong
}

/// Every data source named anywhere must be the variable, or a dashboard works on one Grafana only.
fn datasources(json: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    match json {
        Value::Object(fields) => {
            for (key, value) in fields {
                let uid = value["uid"].as_str();
                let built_in = uid == Some("-- Grafana --") && json["builtIn"] == 1;
                if key == "datasource" && uid != Some(DATASOURCE) && !built_in {
                    wrong.push(format!("a data source is {value}"));
                }
                wrong.extend(datasources(value));
            }
        }
        Value::Array(values) => wrong.extend(values.iter().flat_map(datasources)),
        _ => {}
    }
    wrong
}

/// What breaks a rule between dashboards.
fn between(dashboards: &[Dashboard]) -> Vec<String> {
    let mut wrong = Vec::new();
    let uids: BTreeSet<_> = dashboards.iter().map(|it| text(&it.json["uid"])).collect();
    if uids.len() < dashboards.len() {
        wrong.push("two dashboards have one uid".into());
    }
    if !unique(dashboards.iter().map(|it| it.title().to_owned())) {
        wrong.push("two dashboards have one title".into());
    }
    for dashboard in dashboards {
        let json = dashboard.json.to_string();
        // A link such as `/d/UID?var-test=…`.
        for link in json.split("\"/d/").skip(1) {
            let link = link.split_once('"').map_or(link, |(link, _)| link);
            let (uid, parameters) = link.split_once('?').unwrap_or((link, ""));
            let Some(target) = dashboards.iter().find(|it| it.json["uid"] == uid) else {
                wrong.push(format!("{}: there is no dashboard {uid}", dashboard.file));
                continue;
            };
            for parameter in parameters
                .split('&')
                .filter_map(|it| it.strip_prefix("var-"))
            {
                let name = parameter
                    .split_once('=')
                    .map_or(parameter, |(name, _)| name);
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

/// Each of the rules is broken in turn in the first dashboard, and must be seen.
#[test]
fn broken_rules_are_seen() {
    let sound = dashboards().remove(0);
    assert_eq!(broken(&sound), [""; 0]);
    let first = sound
        .panels()
        .iter()
        .position(|panel| panel.kind() == "timeseries" && panel.json.get("targets").is_some())
        .unwrap();
    let at = sound.panels()[first].json.clone();
    let variable = sound
        .variables()
        .iter()
        .position(|it| it["type"] == "query");
    let variable = format!("/templating/list/{}/refresh", variable.unwrap());
    let changes: [(&str, Value, &str); 5] = [
        ("/schemaVersion", 38.into(), "schemaVersion"),
        ("/editable", true.into(), "editable"),
        ("/uid", "".into(), "without uid"),
        ("/title", "".into(), "without title"),
        (&variable, 1.into(), "refresh is not 2"),
    ];
    for (pointer, value, what) in changes {
        let mut changed = sound.clone();
        *changed.json.pointer_mut(pointer).unwrap() = value;
        let seen = broken(&changed).join("\n");
        assert!(seen.contains(what), "{pointer}: {seen}");
    }
    let panel_changes: [(&str, Value, &str); 9] = [
        ("/type", "graph".into(), "type graph"),
        ("/title", "".into(), "without title"),
        ("/description", "".into(), "without description"),
        ("/fieldConfig/defaults/unit", "seconds".into(), "unit"),
        ("/options/legend/showLegend", false.into(), "legend"),
        ("/datasource/uid", "prometheus".into(), "data source"),
        (
            "/targets/0/datasource/uid",
            "-- Mixed --".into(),
            "data source",
        ),
        ("/targets/0/refId", "".into(), "refId"),
        (
            "/targets/0/expr",
            "avg(rate(k6_http_req_duration_p95[5m]))".into(),
            "__rate_interval",
        ),
    ];
    for (pointer, value, what) in panel_changes {
        let mut panel = at.clone();
        *panel.pointer_mut(pointer).unwrap() = value;
        let changed = crate::files::made_up(serde_json::json!({"panels": [panel]}));
        let seen = broken(&changed).join("\n");
        assert!(seen.contains(what), "{pointer}: {seen}");
    }
    let twice = crate::files::made_up(serde_json::json!({"panels": [at, at]}));
    assert!(broken(&twice).join("\n").contains("panel ids"));
    let seen = between(&[sound.clone(), sound]).join(
        "
",
    );
    for what in ["one uid", "one title", "there is no dashboard"] {
        assert!(seen.contains(what), "{what}: {seen}");
    }
}
