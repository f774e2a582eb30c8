//! The API key: handed on through the environment, and taken out of everything that is written or shown.

use std::borrow::Cow;
use std::fmt;

/// What stands in the place of a key.
const MASK: &str = "***";

/// An API key; it has no `Display`, and its `Debug` hides it.
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
        let json = serde_json::Value::from(key.as_str()).to_string();
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
    use super::Secret;

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
