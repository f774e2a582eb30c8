//! Requests to Prometheus.

use std::time::Duration;

use reqwest::blocking::{RequestBuilder, Response};
use reqwest::{StatusCode, Url};
use serde_json::Value;

use super::wire::{self, Series};
use crate::http::{self, root_cause};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The variables with which k6 proves who it is; the orchestrator does likewise.
const USERNAME: &str = "K6_PROMETHEUS_RW_USERNAME";
const PASSWORD: &str = "K6_PROMETHEUS_RW_PASSWORD";
const BEARER_TOKEN: &str = "K6_PROMETHEUS_RW_BEARER_TOKEN";

/// Writes samples.
pub struct Client {
    http: reqwest::blocking::Client,
    write: Url,
}

/// Samples that were not taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRefused {
    /// Why, in a few words.
    pub why: String,
    /// Whether another try may help.
    pub again: bool,
}

impl Client {
    /// A client that writes to `write`.
    ///
    /// # Errors
    /// If the certificates that are to be trusted cannot be used.
    pub fn new(write: Url) -> Result<Self, String> {
        let http = http::client_for(write.as_str()).map_err(|error| format!("{error:#}"))?;
        let http = http.timeout(TIMEOUT).build();
        let http = http.map_err(|error| format!("cannot set up HTTP: {}", root_cause(&error)))?;
        Ok(Self { http, write })
    }

    /// Writes nothing, to see whether writing works.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    pub fn probe(&self) -> Result<(), String> {
        let write = &self.write;
        let response = match self.post(&[]) {
            Ok(response) => response,
            Err(refused) => {
                return Err(format!(
                    "nothing accepts samples at {write} ({})",
                    refused.why
                ));
            }
        };
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND => Err(format!(
                "{write} is not found: Prometheus accepts samples if it is started with --web.enable-remote-write-receiver"
            )),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
                "{write} requires authentication: set {USERNAME} and {PASSWORD}, or {BEARER_TOKEN}"
            )),
            _ => Err(format!("{write} answers {}", said(response))),
        }
    }

    /// Writes `series`.
    ///
    /// # Errors
    /// If they were not taken.
    pub fn write(&self, series: &[Series]) -> Result<(), WriteRefused> {
        let response = self.post(series)?;
        if response.status().is_success() {
            return Ok(());
        }
        Err(WriteRefused {
            again: response.status().is_server_error(),
            why: said(response),
        })
    }

    /// A notice if this is a Prometheus that would refuse k6's histograms. One that does not say so is believed.
    pub fn missing_histograms(&self) -> Option<String> {
        let version = self.status("buildinfo")?["version"].as_str()?.to_owned();
        let features = self.status("flags")?["enable-feature"].as_str()?.to_owned();
        let old = version.starts_with("2.") && !features.contains("native-histograms");
        old.then(|| {
            format!(
                "Prometheus {version} does not accept k6's latencies: start it with --enable-feature=native-histograms"
            )
        })
    }

    /// A page of <https://prometheus.io/docs/prometheus/latest/querying/api/#status>.
    fn status(&self, page: &str) -> Option<Value> {
        let mut url = self.write.clone();
        let base = url.path().trim_end_matches("/write").to_owned();
        url.set_path(&format!("{base}/status/{page}"));
        let response = identified(self.http.get(url)).send().ok()?;
        let mut body: Value = serde_json::from_str(&response.text().ok()?).ok()?;
        Some(body["data"].take())
    }

    fn post(&self, series: &[Series]) -> Result<Response, WriteRefused> {
        let body = wire::body(series).map_err(|error| WriteRefused {
            why: error.to_string(),
            again: false,
        })?;
        let request = self
            .http
            .post(self.write.clone())
            .header("Content-Encoding", "snappy")
            .header("Content-Type", "application/x-protobuf")
            .header("X-Prometheus-Remote-Write-Version", "0.1.0")
            .body(body);
        identified(request).send().map_err(|error| WriteRefused {
            why: http::why(&error),
            again: true,
        })
    }
}

fn identified(request: RequestBuilder) -> RequestBuilder {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (set(BEARER_TOKEN), set(USERNAME)) {
        (Some(token), _) => request.bearer_auth(token),
        (None, Some(user)) => request.basic_auth(user, set(PASSWORD)),
        (None, None) => request,
    }
}

/// A status and the first line of what is said with it.
fn said(response: Response) -> String {
    let status = response.status();
    let body = response.text().unwrap_or_default();
    match body.lines().next().map(str::trim).unwrap_or_default() {
        "" => status.to_string(),
        line => format!("{status}: {}", line.chars().take(200).collect::<String>()),
    }
}
