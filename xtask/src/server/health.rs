//! Asks a server whether it is healthy, and tells apart the ways in which it may not be.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use reqwest::blocking::{Client, RequestBuilder};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::requests::Requests;
use crate::config::{self, ConfigTable};
use crate::http::{self, root_cause};
use crate::secret::Secret;

/// The most of a health answer that is read, in bytes.
const MAX_BODY: u64 = 64 * 1024;
/// The most of its metrics that is read, in bytes.
const MAX_METRICS: u64 = 8 << 20;

/// How long what is asked once or twice a run may take.
const LIMIT: Duration = Duration::from_secs(5);

/// What became of one health request.
#[derive(Debug, Clone, PartialEq)]
pub enum Health {
    /// 200 with the fields of a healthy server.
    Healthy(Alive),
    /// The right server answered that it is not healthy.
    Unhealthy(String),
    /// Nothing listens there, or the name does not resolve.
    Unreachable(String),
    /// Something listens, but did not answer in time.
    Silent,
    /// Something else answered.
    Foreign(String),
}

/// What a healthy server says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Alive {
    /// Its version.
    pub version: String,
    /// Whether it injects faults.
    pub faults: bool,
    /// How long it has been up, in seconds.
    pub uptime_s: Option<f64>,
}

/// Asks a server for its health, for access, and for its own count of requests.
#[derive(Debug, Clone)]
pub struct Prober {
    client: Client,
    base_url: String,
    table: ConfigTable,
    /// How often it was asked for its health, by all clones of this prober.
    asked: Arc<AtomicU64>,
}

impl Prober {
    /// A prober of the server at `base_url`. Each request has a connection of its own: one that is kept shows neither a
    /// closed port nor a full backlog.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up.
    pub fn new(table: &ConfigTable, base_url: &str) -> anyhow::Result<Self> {
        let client = http::client_for(base_url)?
            .pool_max_idle_per_host(0)
            .build()
            .context("failed to set up the HTTP client")?;
        Ok(Self {
            client,
            base_url: base_url.to_owned(),
            table: table.clone(),
            asked: Arc::default(),
        })
    }

    /// Where its health is asked for.
    pub fn url(&self) -> String {
        format!("{}{}", self.base_url, self.table.health.path)
    }

    /// What is known of the server.
    pub fn table(&self) -> &ConfigTable {
        &self.table
    }

    /// A request of what is at `path`, for whose answer at most `limit` is waited.
    fn ask(&self, method: Method, path: &str, limit: Duration) -> RequestBuilder {
        let url = format!("{}{path}", self.base_url);
        self.client.request(method, url).timeout(limit)
    }

    /// The same with the key.
    pub fn ask_with_key(
        &self,
        method: Method,
        path: &str,
        limit: Duration,
        key: &Secret,
    ) -> RequestBuilder {
        let header = &self.table.key.header;
        let value = header.value.with_key(key.expose());
        self.ask(method, path, limit).header(&header.name, value)
    }

    fn get(&self, path: &str, limit: Duration) -> RequestBuilder {
        self.ask(Method::GET, path, limit)
    }

    /// Asks once, and waits at most `limit` for the answer.
    pub fn health(&self, limit: Duration) -> Health {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let answer = match self.get(&self.table.health.path, limit).send() {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => return Health::Silent,
            Err(error) if error.is_connect() => return Health::Unreachable(http::why(&error)),
            Err(error) => {
                return Health::Foreign(format!("the connection failed: {}", root_cause(&error)));
            }
        };
        if let Some(to) = http::redirection(&answer) {
            return Health::Foreign(format!("it redirects to {to}"));
        }
        let status = answer.status();
        let mut body = Vec::new();
        if let Err(error) = answer.take(MAX_BODY).read_to_end(&mut body) {
            let cause = error.get_ref().and_then(|it| it.downcast_ref());
            return match cause.is_some_and(reqwest::Error::is_timeout) {
                true => Health::Silent,
                false => Health::Foreign(format!("the answer broke off: {}", root_cause(&error))),
            };
        }
        health_of(&self.table.health, &self.table.server.name, status, &body)
    }

    /// How many requests the server has counted; `None` if it has no such metrics, or shows them to others only.
    pub fn requests(&self) -> Option<Requests> {
        let table = self.table.requests.as_ref()?;
        let mut counted = Requests::read(table, &self.metrics(&table.path, LIMIT)?)?;
        counted.own = self.asked.load(Ordering::Relaxed);
        Some(counted)
    }

    /// The server's metrics at `path`, for which at most `limit` is waited.
    pub fn metrics(&self, path: &str, limit: Duration) -> Option<String> {
        let answer = self.get(path, limit).send().ok()?.error_for_status().ok()?;
        let mut text = String::new();
        answer.take(MAX_METRICS).read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Which of the metrics tell what waits inside the server, if the table says so.
    pub fn waiting(&self) -> Option<&config::WaitingConfig> {
        self.table.waiting.as_ref()
    }

    /// Asks whether the key is the server's, if the table says how.
    ///
    /// # Errors
    /// In words, if the key is refused or the route does not answer as it should.
    pub fn check_key(&self, key: &Secret) -> Result<(), String> {
        let Some(path) = &self.table.key.check else {
            return Ok(());
        };
        let url = format!("{}{path}", self.base_url);
        let asked = self.ask_with_key(Method::GET, path, LIMIT, key);
        let status = match asked.send() {
            Ok(answer) => answer.status(),
            Err(error) => return Err(format!("{url} does not answer: {}", http::why(&error))),
        };
        match status {
            StatusCode::OK => Ok(()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
                "the {} at {} refuses the API key ({status}): set API_KEY to the key that it was started with, or stop it and let this command start its own",
                self.table.server.name, self.base_url
            )),
            _ => Err(format!(
                "{url} answers {status} instead of 200: see that server's log"
            )),
        }
    }
}

fn health_of(table: &config::HealthConfig, name: &str, status: StatusCode, body: &[u8]) -> Health {
    let answer: Option<Value> = serde_json::from_slice(body).ok();
    let field = |name: &String| answer.as_ref().and_then(|answer| answer.get(name));
    let wrong = |(name, wanted): &(&String, &Value)| field(name) != Some(*wanted);
    if let Some((key, wanted)) = table.identity.iter().find(wrong) {
        return Health::Foreign(match field(key) {
            Some(other) => format!("it says it is {}, not {wanted} ({status})", short(other)),
            None if status == StatusCode::OK => {
                format!("it answers 200, but not with {name}'s JSON")
            }
            None => format!("it answers {status}"),
        });
    }
    if status != StatusCode::OK && table.identity.is_empty() {
        return Health::Foreign(format!("it answers {status}"));
    }
    let wrong = table.healthy.iter().find(wrong).map(|(key, _)| key);
    if status != StatusCode::OK || wrong.is_some() {
        let said = wrong
            .or(table.healthy.keys().next())
            .map(|key| match field(key) {
                Some(value) => format!(", {key} {}", short(value)),
                None => format!(", no {key}"),
            });
        let said = said.unwrap_or_default();
        return Health::Unhealthy(format!("{name} says it is not healthy ({status}{said})"));
    }
    let read = |name: &Option<String>| name.as_ref().and_then(field);
    Health::Healthy(Alive {
        version: match read(&table.version) {
            Some(Value::String(version)) => crate::shell::clean(version),
            _ => "unknown".into(),
        },
        faults: read(&table.faults) == Some(&Value::Bool(true)),
        uptime_s: read(&table.uptime).and_then(Value::as_f64),
    })
}

fn short(value: &Value) -> String {
    let text = crate::shell::clean(&value.to_string());
    text.chars().take(60).collect()
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy(alive) => write!(f, "healthy, version {}", alive.version),
            Self::Unreachable(why) => write!(f, "nothing answers ({why})"),
            Self::Silent => f.write_str("it accepts connections but does not answer"),
            Self::Unhealthy(what) | Self::Foreign(what) => f.write_str(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(status: StatusCode, body: &[u8]) -> Health {
        let table = config::testing::ours().table;
        health_of(&table.health, &table.server.name, status, body)
    }

    #[test]
    fn only_the_right_answer_is_healthy() {
        let ok = br#"{"status":"healthy","service":"tachikoma-server","version":"0.1.0","uptime_seconds":3}"#;
        assert_eq!(
            ours(StatusCode::OK, ok),
            Health::Healthy(Alive {
                version: "0.1.0".into(),
                faults: false,
                uptime_s: Some(3.0),
            })
        );
        let sick = br#"{"status":"sick","service":"tachikoma-server"}"#;
        for (status, body, said) in [
            (StatusCode::SERVICE_UNAVAILABLE, &ok[..], "503"),
            (StatusCode::OK, sick, "status \"sick\""),
            (
                StatusCode::OK,
                br#"{"service":"tachikoma-server"}"#,
                "no status",
            ),
        ] {
            let health = ours(status, body);
            assert!(
                matches!(&health, Health::Unhealthy(what) if what.contains(said)),
                "{health}"
            );
        }
        for body in [
            &b"<html>ok</html>"[..],
            b"{}",
            b"{\"status\":\"healthy\"}",
            b"{\"service\":\"nginx\"}",
        ] {
            assert!(matches!(ours(StatusCode::OK, body), Health::Foreign(_)));
        }
        assert_eq!(
            ours(StatusCode::NOT_FOUND, b""),
            Health::Foreign("it answers 404 Not Found".into())
        );
    }

    #[test]
    fn an_answer_that_stops_half_way_is_silence() {
        use std::io::{Read as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ours = config::testing::ours().table;
        let held = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // An answer before the question would be another fault.
            let _asked = stream.read(&mut [0; 1024]).unwrap();
            let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{";
            stream.write_all(begun).unwrap();
            stream
        });
        let prober = Prober::new(&ours, &url).unwrap();
        let health = prober.health(Duration::from_millis(200));
        assert_eq!(health, Health::Silent);
        drop(held.join());
    }

    #[test]
    fn without_fields_the_status_decides() {
        let table: config::HealthConfig = toml::from_str("path = '/'").unwrap();
        let judge = |status| health_of(&table, "files", status, b"<html>");
        assert!(matches!(judge(StatusCode::OK), Health::Healthy(_)));
        assert!(matches!(judge(StatusCode::BAD_GATEWAY), Health::Foreign(_)));
    }
}
