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
        // An open row has the panels behind it, a closed one has them inside.
        let all = list(&self.json["panels"]).iter();
        all.flat_map(|json| std::iter::once(json).chain(list(&json["panels"])))
            .map(|json| Panel { json })
            .collect()
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
            {"type": "row", "title": "open"},
            {"type": "stat", "title": "b", "targets": [
                {"refId": "A", "expr": "x", "instant": true},
                {"refId": "B", "expr": "y", "instant": false, "range": true},
            ]},
            {"type": "row", "title": "closed", "panels": [{"type": "stat", "title": "c"}]},
        ],
        "annotations": {"list": [
            {"name": "built in", "datasource": {"uid": "-- Grafana --"}},
            {"name": "ours", "expr": "z", "datasource": {"uid": "${datasource}"}},
        ]},
    }));
    let titles: Vec<_> = dashboard.panels().iter().map(|it| it.title()).collect();
    assert_eq!(titles, ["a", "open", "b", "closed", "c"]);
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
