//! `load-tests/schemas` has the schemas of the types that are written to `run.json` and `compare.json`.

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{COMPARISON_VERSION, Comparison, RunRecord, SCHEMA_VERSION};

/// The schema of what `T` is written as in format `version`.
fn schema<T: JsonSchema>(file: &str, version: u32) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    schema["title"] = json!(file);
    schema["properties"]["schema_version"]["const"] = json!(version);
    schema
}

#[test]
fn the_schemas_are_those_of_what_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../load-tests/schemas");
    for (name, schema) in [
        ("run", schema::<RunRecord>("run.json", SCHEMA_VERSION)),
        (
            "compare",
            schema::<Comparison>("compare.json", COMPARISON_VERSION),
        ),
    ] {
        let path = folder.join(format!("{name}.schema.json"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
            let text = serde_json::to_string_pretty(&schema).unwrap();
            std::fs::write(&path, format!("{text}\n")).unwrap();
        }
        let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(
            kept == schema,
            "{} is not the schema of what is written: write it anew with UPDATE_SNAPSHOTS=1, and raise the version if \
             a field went or changed its meaning",
            path.display()
        );
    }
}
