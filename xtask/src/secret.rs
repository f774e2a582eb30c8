//! Secrets, the API key above all: handed on through the environment, and taken out of everything that is written or
//! shown. [`keep`] says what is one; [`hide`] and [`hide_in`] stand where anything is written.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::{PoisonError, RwLock};

use serde_json::Value;

/// What stands in the place of a key.
const MASK: &str = "***";

/// The secrets of this run.
static KEPT: RwLock<Vec<Secret>> = RwLock::new(Vec::new());

/// From here on, takes the secret out of everything that is written or shown.
pub fn keep(secret: &Secret) {
    let mut kept = KEPT.write().unwrap_or_else(PoisonError::into_inner);
    if !secret.forms.is_empty() && !kept.iter().any(|known| known.key == secret.key) {
        kept.push(secret.clone());
    }
}

/// `text` without the secrets of this run.
pub fn hide(text: &str) -> Cow<'_, str> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    hide_all(&kept, text)
}

/// The content of the file `path` without the secrets of this run.
pub fn hide_in<'t>(path: &Path, content: &'t str) -> Cow<'t, str> {
    let kept = KEPT.read().unwrap_or_else(PoisonError::into_inner);
    match path
        .extension()
        .is_some_and(|end| end == "json" || end == "jsonl")
    {
        true => hide_in_json(&kept, content),
        false => hide_all(&kept, content),
    }
}

fn hide_all<'t>(secrets: &[Secret], text: &'t str) -> Cow<'t, str> {
    secrets.iter().fold(Cow::Borrowed(text), |text, secret| {
        match secret.scrub(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => Cow::Owned(clean),
        }
    })
}

/// JSON, one document or one a line, without the secrets. A secret may equal the name of a field, which stays: only
/// strings are changed. What is no JSON is treated as text.
fn hide_in_json<'t>(secrets: &[Secret], text: &'t str) -> Cow<'t, str> {
    if matches!(hide_all(secrets, text), Cow::Borrowed(_)) {
        return Cow::Borrowed(text);
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        hide_in_value(secrets, &mut value);
        let end = if text.ends_with('\n') { "\n" } else { "" };
        return Cow::Owned(format!("{value:#}{end}"));
    }
    let lines = text.split_inclusive('\n').map(|line| {
        let Ok(mut value) = serde_json::from_str::<Value>(line) else {
            return hide_all(secrets, line).into_owned();
        };
        hide_in_value(secrets, &mut value);
        let end = if line.ends_with('\n') { "\n" } else { "" };
        format!("{value}{end}")
    });
    Cow::Owned(lines.collect())
}

fn hide_in_value(secrets: &[Secret], value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Cow::Owned(clean) = hide_all(secrets, text) {
                *text = clean;
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| hide_in_value(secrets, value)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| hide_in_value(secrets, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A secret; it has no `Display`, and its `Debug` hides it.
#[derive(Clone)]
pub struct Secret {
    key: String,
    /// The key as it may appear: plain, percent-encoded, inside JSON.
    forms: Vec<String>,
}

impl Secret {
    /// Wraps a key.
    pub fn new(key: String) -> Self {
        let mut forms = vec![key.clone(), percent_encoded(&key)];
        let json = Value::from(key.as_str()).to_string();
        forms.push(json[1..json.len() - 1].to_owned());
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        forms.dedup();
        forms.retain(|form| !form.is_empty());
        Self { key, forms }
    }

    /// The key itself, for an environment or a header.
    pub fn expose(&self) -> &str {
        &self.key
    }

    /// `text` without the key.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out = Cow::Borrowed(text);
        for form in &self.forms {
            if out.contains(form.as_str()) {
                out = Cow::Owned(out.replace(form.as_str(), MASK));
            }
        }
        out
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(b).to_string()
            }
            _ => format!("%{b:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Secret, hide_in_json};
    use serde_json::{Value, json};

    #[test]
    fn a_secret_that_equals_a_name_breaks_no_json() {
        let secrets = [Secret::new("requests".into())];
        let record = json!({"requests": 7, "said": ["the key is requests", {"requests": null}]});
        let clean = hide_in_json(&secrets, &format!("{record:#}\n")).into_owned();
        assert!(clean.ends_with("}\n"));
        let clean: Value = serde_json::from_str(&clean).unwrap();
        let wanted = json!({"requests": 7, "said": ["the key is ***", {"requests": null}]});
        assert_eq!(clean, wanted);
        let lines = format!("{record}\n{record}\nrequests {{\n");
        assert_eq!(
            hide_in_json(&secrets, &lines),
            format!("{wanted}\n{wanted}\n*** {{\n")
        );
    }

    #[test]
    fn takes_out_every_form() {
        let secret = Secret::new("s3cret+/\"key".into());
        assert_eq!(secret.scrub("Bearer s3cret+/\"key."), "Bearer ***.");
        assert_eq!(secret.scrub("?token=s3cret%2B%2F%22key&x"), "?token=***&x");
        assert_eq!(secret.scrub(r#"{"k":"s3cret+/\"key"}"#), r#"{"k":"***"}"#);
        assert_eq!(secret.scrub("nothing here"), "nothing here");
        assert_eq!(format!("{secret:?}"), "***");
    }
}
