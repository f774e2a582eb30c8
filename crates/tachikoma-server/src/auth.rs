//! The API key: how it is kept and how a client's is compared with it.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// The variable that holds the key itself.
pub const KEY_VARIABLE: &str = "TACHIKOMA_API_KEY";

/// Shortest key that the server accepts as its own, in bytes.
pub const KEY_MIN: usize = 8;

/// The key that clients must show. Its `Debug` form hides it.
#[derive(Clone)]
pub struct ApiKey(Box<[u8]>);

impl ApiKey {
    /// Takes a key after checking that clients can send it.
    ///
    /// # Errors
    /// What is wrong with it, never the key itself.
    pub fn new(key: &str) -> anyhow::Result<Self> {
        let length = key.len();
        ensure!(
            length >= KEY_MIN,
            "it has {length} characters, at least {KEY_MIN} are needed"
        );
        ensure!(
            key.bytes().all(|b| b.is_ascii_graphic()),
            "it may contain only visible ASCII characters, without spaces, so that it can be \
             sent in an Authorization header"
        );
        Ok(Self(key.as_bytes().into()))
    }

    /// Reads the key from [`KEY_VARIABLE`] or from `file`, of which one must be given.
    ///
    /// # Errors
    /// What to set.
    pub fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        match (crate::variable(KEY_VARIABLE), file) {
            (Some(_), Some(_)) => {
                bail!("both {KEY_VARIABLE} and --api-key-file are set; unset one of them")
            }
            (None, None) => bail!(
                "no API key is set; set {KEY_VARIABLE} to a key of at least {KEY_MIN} \
                 characters, or name a file that holds one with --api-key-file"
            ),
            (Some(key), None) => Self::new(&key)
                .with_context(|| format!("the API key in {KEY_VARIABLE} cannot be used")),
            (None, Some(file)) => Self::read_file(file),
        }
    }

    /// Reads the key from its file.
    ///
    /// # Errors
    /// What is wrong with the file, by name.
    pub fn read_file(path: &Path) -> anyhow::Result<Self> {
        let file = path.display();
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("failed to read the API key from {file}"))?;
        Self::new(text.trim_end_matches(['\r', '\n']))
            .with_context(|| format!("the API key in {file} cannot be used"))
    }

    /// Compares in a time that depends on the lengths only.
    pub fn matches(&self, candidate: &[u8]) -> bool {
        self.0.ct_eq(candidate).into()
    }

    /// Whether the `Authorization` header carries this key as a bearer token (RFC 6750).
    pub fn authorizes(&self, headers: &HeaderMap) -> bool {
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| bearer_token(value.as_bytes()))
            .is_some_and(|token| self.matches(token))
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

/// The token of a `Bearer` credential; the scheme's case does not matter (RFC 9110, 11.1).
fn bearer_token(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"bearer") || rest.first() != Some(&b' ') {
        return None;
    }
    Some(rest.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_unsendable_keys_are_refused_without_being_shown() {
        for bad in ["", "1234567", "with space", "tab\tinside", "schlüssel-ä"] {
            let error = ApiKey::new(bad).expect_err("must be refused").to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        let key = ApiKey::new("s3cret-key").expect("accepted");
        assert!(!format!("{key:?}").contains("s3cret"));
    }

    #[test]
    fn only_the_very_key_authorizes() {
        let key = ApiKey::new("s3cret-key").expect("accepted");
        let authorizes = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::AUTHORIZATION,
                value.parse().expect("a header value"),
            );
            key.authorizes(&headers)
        };
        assert!(authorizes("Bearer s3cret-key"));
        assert!(authorizes("bearer  s3cret-key"));
        for bad in [
            "Bearer s3cret-ke",
            "Bearer s3cret-key2",
            "Basic s3cret-key",
            "Bearer",
            "Bearer ",
            "Bearers3cret-key",
            "s3cret-key",
            "",
        ] {
            assert!(!authorizes(bad), "{bad:?} was accepted");
        }
        assert!(!key.authorizes(&HeaderMap::new()));
    }
}
