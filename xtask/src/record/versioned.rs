//! JSON that says which version of its format it has.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads JSON whose `schema_version` is `version`.
///
/// # Errors
/// What is wrong with it, in words that fit behind its name.
pub fn versioned<T: DeserializeOwned>(text: &[u8], version: u32) -> Result<T, String> {
    let corrupted = |error: serde_json::Error| format!("is corrupted ({error})");
    let value: Value = serde_json::from_slice(text).map_err(corrupted)?;
    match value["schema_version"].as_u64() {
        Some(found) if found == u64::from(version) => {
            serde_json::from_value(value).map_err(corrupted)
        }
        Some(found) => Err(format!(
            "has format version {found}, and this program reads {version}"
        )),
        None => Err("is corrupted (it has no schema_version)".into()),
    }
}
