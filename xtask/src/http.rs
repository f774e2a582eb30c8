//! The HTTP client that everything here uses.

use std::borrow::Cow;

use reqwest::blocking::{Client, ClientBuilder};

/// Begins a blocking HTTP client.
///
/// Proxy variables (`HTTPS_PROXY`, `NO_PROXY`, …) and the system's certificates apply.
pub fn client() -> ClientBuilder {
    // The client panics without a provider of cryptography. A second call changes nothing, hence the ignored result.
    let _set_already = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

/// An address as it may be shown: without the user's name and password in it.
pub fn without_credentials(url: &str) -> Cow<'_, str> {
    let Some((front, rest)) = url.split_once("://") else {
        return Cow::Borrowed(url);
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rfind('@') {
        Some(at) => Cow::Owned(format!("{front}://{}", &rest[at + 1..])),
        None => Cow::Borrowed(url),
    }
}

/// The innermost cause of an error: the layers above it only repeat that a request failed.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::without_credentials;

    #[test]
    fn addresses_are_shown_without_credentials() {
        for (url, shown) in [
            (
                "https://me:s3@cret@mirror.example/k6",
                "https://mirror.example/k6",
            ),
            ("https://token@mirror.example", "https://mirror.example"),
            ("http://mirror.example/a@b", "http://mirror.example/a@b"),
            ("mirror", "mirror"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
