//! Asks a server whether it is healthy, and tells apart the ways in which it may not be.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use reqwest::StatusCode;
use reqwest::blocking::Client;
use serde::Deserialize;

use crate::http::{self, root_cause};
use crate::secret::Secret;

/// What tachikoma-server calls itself in its health answer.
const SERVICE: &str = "tachikoma-server";
/// The most of a health answer that is read, in bytes.
const MAX_BODY: u64 = 64 * 1024;

/// What became of one health request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// 200 with `status: "healthy"` from tachikoma-server.
    Healthy {
        /// The server's version.
        version: String,
        /// Whether it injects faults.
        faults: bool,
    },
    /// tachikoma-server answered that it is not healthy.
    Unhealthy(String),
    /// Nothing listens there, or the name does not resolve.
    Unreachable(String),
    /// Something listens, but did not answer in time.
    Silent,
    /// Something else answered.
    Foreign(String),
}

/// Asks for health and access.
#[derive(Debug, Clone)]
pub struct Prober {
    client: Client,
    base_url: String,
}

#[derive(Deserialize)]
struct Answer {
    status: Option<String>,
    service: Option<String>,
    version: Option<String>,
    #[serde(default)]
    faults: bool,
}

impl Prober {
    /// A prober of the server at `base_url` that waits at most `timeout` for each answer.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(base_url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let client = http::client_for(base_url)?
            .timeout(timeout)
            .build()
            .context("failed to set up the HTTP client")?;
        Ok(Self {
            client,
            base_url: base_url.to_owned(),
        })
    }

    /// Asks once.
    pub fn health(&self) -> Health {
        let answer = match self
            .client
            .get(format!("{}/api/health", self.base_url))
            .send()
        {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return Health::Silent,
            Err(error) if error.is_connect() => return Health::Unreachable(http::why(&error)),
            Err(error) => {
                return Health::Foreign(format!("the connection failed: {}", root_cause(&error)));
            }
        };
        if let Some(to) = http::redirection(&answer) {
            return Health::Foreign(format!("it sends its callers elsewhere, to {to}"));
        }
        let status = answer.status();
        let mut body = Vec::new();
        if let Err(error) =
            std::io::Read::read_to_end(&mut std::io::Read::take(answer, MAX_BODY), &mut body)
        {
            return match error.kind() {
                std::io::ErrorKind::TimedOut => Health::Silent,
                _ => Health::Foreign(format!("the answer broke off: {error}")),
            };
        }
        judge(status, &body)
    }

    /// Asks with the key for one mission: whether the key is the server's.
    ///
    /// # Errors
    /// In words, if the key is refused or the route does not answer as tachikoma-server's does.
    pub fn check_key(&self, key: &Secret) -> Result<(), String> {
        let url = format!("{}/api/missions?limit=1", self.base_url);
        let status = match self.client.get(&url).bearer_auth(key.expose()).send() {
            Ok(answer) => answer.status(),
            Err(error) => return Err(format!("{url} does not answer: {}", http::why(&error))),
        };
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
                "the tachikoma-server at {} refuses the API key ({status}): set API_KEY to the key that it was started with, or stop it and let this command start its own",
                self.base_url
            )),
            _ => Err(format!(
                "{url} answers {status} instead of 200: see that server's log"
            )),
        }
    }
}

fn judge(status: StatusCode, body: &[u8]) -> Health {
    let answer: Option<Answer> = serde_json::from_slice(body).ok();
    match answer {
        Some(Answer {
            service: Some(service),
            status: said,
            version,
            faults,
        }) if service == SERVICE => {
            let said = said.unwrap_or_else(|| "no status".into());
            if status == StatusCode::OK && said == "healthy" {
                Health::Healthy {
                    version: version.unwrap_or_else(|| "unknown".into()),
                    faults,
                }
            } else {
                Health::Unhealthy(format!("{status}, status \"{}\"", short(&said)))
            }
        }
        Some(Answer {
            service: Some(other),
            ..
        }) => Health::Foreign(format!(
            "it says it is \"{}\", not {SERVICE} ({status})",
            short(&other)
        )),
        _ if status == StatusCode::OK => {
            Health::Foreign("it answers 200, but not with tachikoma-server's JSON".into())
        }
        _ => Health::Foreign(format!("it answers {status}")),
    }
}

fn short(text: &str) -> String {
    crate::shell::clean(text).chars().take(60).collect()
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy { version, .. } => write!(f, "healthy, version {version}"),
            Self::Unhealthy(what) => write!(f, "tachikoma-server says it is not healthy ({what})"),
            Self::Unreachable(why) => write!(f, "nothing answers ({why})"),
            Self::Silent => f.write_str("it accepts connections but does not answer"),
            Self::Foreign(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_answer_is_healthy() {
        let ok = br#"{"status":"healthy","service":"tachikoma-server","version":"0.1.0","uptime_seconds":3}"#;
        assert_eq!(
            judge(StatusCode::OK, ok),
            Health::Healthy {
                version: "0.1.0".into(),
                faults: false
            }
        );
        assert!(matches!(
            judge(StatusCode::SERVICE_UNAVAILABLE, ok),
            Health::Unhealthy(_)
        ));
        for body in [
            &b"<html>ok</html>"[..],
            b"{}",
            b"{\"status\":\"healthy\"}",
            b"{\"service\":\"nginx\"}",
        ] {
            assert!(matches!(judge(StatusCode::OK, body), Health::Foreign(_)));
        }
        assert_eq!(
            judge(StatusCode::NOT_FOUND, b""),
            Health::Foreign("it answers 404 Not Found".into())
        );
    }
}
