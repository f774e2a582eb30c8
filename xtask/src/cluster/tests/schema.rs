//! Holds manifests against the schema of a TestRun, with every object closed: a cluster drops a field that it does not
//! know without a word. The pattern of quantities is not looked at: the command line lets no other pass.

use std::sync::LazyLock;

use serde_json::Value;

/// The schema of a TestRun.
pub static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("../fixtures/testrun.yaml")).unwrap());

/// What is wrong with `object`, an object of a manifest, each with its place.
pub fn problems(object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if object["kind"] == "ConfigMap" {
        let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
        if keys != ["apiVersion", "binaryData", "kind", "metadata"] || object["apiVersion"] != "v1"
        {
            found.push(format!("no ConfigMap: {keys:?}"));
        }
        return found;
    }
    if (&object["apiVersion"], &object["kind"]) != (&"k6.io/v1alpha1".into(), &"TestRun".into()) {
        found.push(format!("{} {}", object["apiVersion"], object["kind"]));
    }
    look(&SCHEMA, object, "", &mut found);
    found
}

fn look(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| is_of(value, one["type"].as_str()));
        if !fits {
            found.push(format!("{place} is {value}"));
        }
        return;
    }
    if !is_of(value, schema["type"].as_str()) {
        found.push(format!("{place} is {value}, no {}", schema["type"]));
        return;
    }
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{place} has no {name}"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        let place = format!("{place}.{name}");
        match schema["properties"]
            .get(name)
            .or_else(|| schema.get("additionalProperties"))
        {
            Some(schema) => look(schema, inner, &place, found),
            None => found.push(format!("{place} is unknown")),
        }
    }
    for item in value.as_array().into_iter().flatten() {
        look(&schema["items"], item, &format!("{place}[]"), found);
    }
}

fn is_of(value: &Value, kind: Option<&str>) -> bool {
    match kind {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64(),
        _ => false,
    }
}
