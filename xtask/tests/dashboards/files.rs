//! The dashboards' files and what is in them.

use serde_json::Value;

use crate::support::root;

/// The folder of all that starts Grafana.
pub const FOLDER: &str = "load-tests/grafana";

/// One dashboard.
#[derive(Debug, Clone)]
pub struct Dashboard {
    /// The file's name.
    pub file: String,
    /// All of it.
    pub json: Value,
}

/// A panel, wherever it is nested.
#[derive(Debug, Clone, Copy)]
pub struct Panel<'a> {
    /// All of it.
    pub json: &'a Value,
    /// The variable that it, or its row, is repeated for.
    pub repeat: Option<&'a str>,
}

/// A query of a panel or an annotation.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Where it stands: file, panel and `refId`, for messages.
    pub place: String,
    /// The expression with Grafana's variables.
    pub expr: String,
    /// Asked for one point of time.
    pub instant: bool,
    /// The variable that its panel is repeated for.
    pub repeat: Option<String>,
}

/// Every dashboard, by file name.
pub fn dashboards() -> Vec<Dashboard> {
    let folder = root().join(FOLDER).join("dashboards");
    let entries = std::fs::read_dir(&folder).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let dashboards: Vec<_> = paths
        .iter()
        .map(|path| {
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(file.ends_with(".json"), "{file} is no dashboard");
            let text = std::fs::read_to_string(path).unwrap();
            let json = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{file}: {e}"));
            Dashboard { file, json }
        })
        .collect();
    assert!(!dashboards.is_empty(), "no dashboards");
    dashboards
}

impl Dashboard {
    /// Its title.
    pub fn title(&self) -> &str {
        text(&self.json["title"])
    }

    /// Its panels in order: rows, and what is in them.
    pub fn panels(&self) -> Vec<Panel<'_>> {
        let mut panels = Vec::new();
        // An open row holds the panels behind it, a closed one has them inside.
        let mut row_repeat = None;
        for json in list(&self.json["panels"]) {
            let own = json["repeat"].as_str();
            if json["type"] == "row" {
                row_repeat = own;
            }
            panels.push(Panel {
                json,
                repeat: own.or(row_repeat),
            });
            panels.extend(list(&json["panels"]).iter().map(|json| Panel {
                json,
                repeat: json["repeat"].as_str().or(own),
            }));
        }
        panels
    }

    /// Its variables in order.
    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    /// The queries of all panels and annotations.
    pub fn queries(&self) -> Vec<Query> {
        let mut queries: Vec<_> = self
            .panels()
            .iter()
            .flat_map(|panel| self.queries_of(*panel))
            .collect();
        queries.extend(self.annotations().map(|annotation| Query {
            place: format!("{}, annotation {:?}", self.file, text(&annotation["name"])),
            expr: text(&annotation["expr"]).to_owned(),
            instant: false,
            repeat: None,
        }));
        queries
    }

    /// The queries of one panel.
    pub fn queries_of(&self, panel: Panel<'_>) -> Vec<Query> {
        let targets = list(&panel.json["targets"]).iter();
        targets
            .map(|target| Query {
                place: format!(
                    "{}, panel {:?}, {}",
                    self.file,
                    panel.title(),
                    text(&target["refId"])
                ),
                expr: text(&target["expr"]).to_owned(),
                instant: target["instant"] == true && target["range"] != true,
                repeat: panel.repeat.map(ToOwned::to_owned),
            })
            .collect()
    }

    /// Its annotations but for Grafana's own.
    pub fn annotations(&self) -> impl Iterator<Item = &Value> {
        list(&self.json["annotations"]["list"])
            .iter()
            .filter(|annotation| annotation["datasource"]["uid"] != "-- Grafana --")
    }
}

impl<'a> Panel<'a> {
    /// Its title.
    pub fn title(self) -> &'a str {
        text(&self.json["title"])
    }

    /// Its type.
    pub fn kind(self) -> &'a str {
        text(&self.json["type"])
    }

    /// Whether it shows data.
    pub fn has_data(self) -> bool {
        !["row", "text"].contains(&self.kind())
    }
}

/// A text, empty if there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A list, empty if there is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A dashboard made up by a test.
#[cfg(test)]
pub fn made_up(json: Value) -> Dashboard {
    Dashboard {
        file: "made-up.json".into(),
        json,
    }
}

#[test]
fn panels_are_found_in_open_and_closed_rows() {
    let dashboard = made_up(serde_json::json!({
        "panels": [
            {"type": "stat", "title": "a"},
            {"type": "row", "title": "open", "repeat": "test"},
            {"type": "stat", "title": "b", "targets": [
                {"refId": "A", "expr": "x", "instant": true},
                {"refId": "B", "expr": "y", "instant": false, "range": true},
            ]},
            {"type": "row", "title": "closed", "panels": [{"type": "stat", "title": "c", "repeat": "run"}]},
        ],
        "annotations": {"list": [
            {"name": "built in", "datasource": {"uid": "-- Grafana --"}},
            {"name": "ours", "expr": "z", "datasource": {"uid": "${datasource}"}},
        ]},
    }));
    let seen: Vec<_> = dashboard
        .panels()
        .iter()
        .map(|panel| (panel.title(), panel.repeat))
        .collect();
    let expected = [
        ("a", None),
        ("open", Some("test")),
        ("b", Some("test")),
        ("closed", None),
        ("c", Some("run")),
    ];
    assert_eq!(seen, expected);
    let queries = dashboard.queries();
    let seen: Vec<_> = queries
        .iter()
        .map(|q| (q.place.as_str(), q.expr.as_str(), q.instant))
        .collect();
    let expected = [
        ("made-up.json, panel \"b\", A", "x", true),
        ("made-up.json, panel \"b\", B", "y", false),
        ("made-up.json, annotation \"ours\"", "z", false),
    ];
    assert_eq!(seen, expected);
}
