//! The variables of a dashboard: what they ask Prometheus for, and all the ways to fill them.

use serde_json::Value;

use crate::files::text;
use crate::fill::{Fill, Values};

/// A query variable's question: the values of `label` among the series of `selector`, or among all.
#[derive(Debug, PartialEq)]
pub struct LabelValues<'q> {
    /// The selector, if there is one.
    pub selector: Option<&'q str>,
    /// The label.
    pub label: &'q str,
}

/// A variable with the values that can be chosen.
#[derive(Debug, Clone)]
pub struct Choice {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
    /// Whether several may be chosen at once.
    pub many: bool,
}

/// The question of a query variable.
pub fn question(variable: &Value) -> &str {
    // Grafana writes either form.
    let query = &variable["query"];
    query
        .as_str()
        .unwrap_or_else(|| text(&query["query"]))
        .trim()
}

/// Reads `label_values(label)` and `label_values(selector, label)`, the only questions that are in use.
pub fn label_values(question: &str) -> Option<LabelValues<'_>> {
    let inside = question.strip_prefix("label_values(")?.strip_suffix(')')?;
    let (selector, label) = match inside.rsplit_once(',') {
        Some((selector, label)) => (Some(selector.trim()), label.trim()),
        None => (None, inside.trim()),
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (!label.is_empty() && label.chars().all(is_name)).then_some(LabelValues { selector, label })
}

/// The values of a variable that does not ask Prometheus; `None` if it does, or is of an unknown type.
pub fn fixed(variable: &Value) -> Option<Vec<String>> {
    let query = text(&variable["query"]);
    match text(&variable["type"]) {
        "datasource" => Some(vec!["prometheus".into()]),
        "constant" | "textbox" => Some(vec![query.to_owned()]),
        "custom" | "interval" => Some(
            query
                .split(',')
                // `label : value`
                .map(|part| part.rsplit(" : ").next().unwrap_or(part).trim().to_owned())
                .collect(),
        ),
        _ => None,
    }
}

/// Whether several values of `variable` may be chosen at once.
pub fn is_many(variable: &Value) -> bool {
    variable["multi"] == true || variable["includeAll"] == true
}

/// Every way to fill `choices` on top of `base`: variables of several values have all of them, the others each of theirs
/// in turn, and so has the one that a panel is repeated for.
pub fn fillings(base: &Values, choices: &[Choice], repeat: Option<&str>) -> Vec<Values> {
    let mut fillings = vec![base.clone()];
    for choice in choices {
        let fills: Vec<Fill> = match choice.many {
            true if repeat != Some(choice.name.as_str()) => vec![Fill::Many(choice.values.clone())],
            true => {
                let each = choice.values.iter();
                each.map(|value| Fill::Many(vec![value.clone()])).collect()
            }
            false => choice.values.iter().cloned().map(Fill::One).collect(),
        };
        fillings = fillings
            .iter()
            .flat_map(|values| {
                fills.iter().map(|fill| {
                    let mut values = values.clone();
                    values.insert(choice.name.clone(), fill.clone());
                    values
                })
            })
            .collect();
    }
    fillings
}

#[test]
fn questions_are_read_in_both_forms() {
    let plain = serde_json::json!({"query": "label_values(k6_vus{a=~\"$b\", c=\"d\"}, testid)"});
    let object = serde_json::json!({"query": {"qryType": 1, "query": "label_values(testid)"}});
    assert_eq!(
        label_values(question(&plain)),
        Some(LabelValues {
            selector: Some("k6_vus{a=~\"$b\", c=\"d\"}"),
            label: "testid"
        })
    );
    assert_eq!(
        label_values(question(&object)),
        Some(LabelValues {
            selector: None,
            label: "testid"
        })
    );
    for text in [
        "query_result(k6_vus)",
        "label_values()",
        "label_values(a, b{)",
    ] {
        assert_eq!(label_values(text), None, "{text}");
    }
}

#[test]
fn every_combination_of_single_values_is_tried() {
    let choice = |name: &str, many| Choice {
        name: name.into(),
        values: vec!["a".into(), "b".into()],
        many,
    };
    let choices = [
        choice("one", false),
        choice("all", true),
        choice("row", true),
    ];
    let seen = fillings(&Values::new(), &choices, Some("row"));
    assert_eq!(seen.len(), 4);
    for values in &seen {
        assert_eq!(values["all"], Fill::Many(vec!["a".into(), "b".into()]));
    }
    let last = &seen[3];
    assert_eq!(last["one"], Fill::One("b".into()));
    assert_eq!(last["row"], Fill::Many(vec!["b".into()]));
    let custom = serde_json::json!({"type": "custom", "query": "p95 : 0.95,0.99"});
    assert_eq!(fixed(&custom).unwrap(), ["0.95", "0.99"]);
}
