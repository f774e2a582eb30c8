//! The HTTP client that everything here uses.

use reqwest::blocking::{Client, ClientBuilder};

/// Begins a blocking HTTP client.
///
/// Proxy variables (`HTTPS_PROXY`, `NO_PROXY`, …) and the system's certificates apply.
pub fn client() -> ClientBuilder {
    // The client panics without a provider of cryptography. A second call changes nothing, hence the ignored result.
    let _set_already = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

/// The innermost cause of an error: the layers above it only repeat that a request failed.
pub fn root_cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
