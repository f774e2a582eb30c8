//! The dashboards' files and what is in them.

use serde_json::Value;

use crate::support::{read, root};

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
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert!(!files.is_empty(), "no dashboards");
    let dashboard = |file: std::ffi::OsString| Dashboard {
        json: serde_json::from_str(&read(&folder.join(&file))).unwrap(),
        file: file.into_string().unwrap(),
    };
    files.into_iter().map(dashboard).collect()
}

impl Dashboard {
    /// Its panels in order: rows, and what is in them.
    pub fn panels(&self) -> Vec<&Value> {
        // An open row has the panels behind it, a closed one has them inside.
        let all = list(&self.json["panels"]).iter();
        all.flat_map(|panel| std::iter::once(panel).chain(list(&panel["panels"])))
            .collect()
    }

    /// Its variables in order.
    pub fn variables(&self) -> &[Value] {
        list(&self.json["templating"]["list"])
    }

    /// Its annotations but for Grafana's own.
    pub fn annotations(&self) -> impl Iterator<Item = &Value> {
        let all = list(&self.json["annotations"]["list"]).iter();
        all.filter(|annotation| annotation["datasource"]["uid"] != "-- Grafana --")
    }

    /// The queries of all panels and annotations.
    pub fn queries(&self) -> Vec<Query> {
        let panels = self.panels().into_iter();
        let of_annotations = self.annotations().map(|annotation| Query {
            place: format!("{}, annotation {}", self.file, annotation["name"]),
            expr: text(&annotation["expr"]).to_owned(),
            instant: false,
        });
        panels
            .flat_map(|panel| self.queries_of(panel))
            .chain(of_annotations)
            .collect()
    }

    /// The queries of one panel.
    pub fn queries_of(&self, panel: &Value) -> Vec<Query> {
        let place = format!("{}, panel {}", self.file, panel["title"]);
        let query = |target: &Value| Query {
            place: format!("{place}, {}", text(&target["refId"])),
            expr: text(&target["expr"]).to_owned(),
            instant: target["instant"] == true && target["range"] != true,
        };
        list(&panel["targets"]).iter().map(query).collect()
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
