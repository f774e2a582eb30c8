//! The router with a database of its own, called without a socket.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use clap::Parser;
use http_body_util::BodyExt;
use serde_json::Value;
use tachikoma_server::app::{App, AppState};
use tachikoma_server::auth::ApiKey;
use tachikoma_server::cli::ServeArgs;
use tachikoma_server::faults::Faults;
use tachikoma_server::limits::Limits;
use tachikoma_server::observe::observe;
use tachikoma_server::router;
use tempfile::TempDir;
use tokio::sync::watch;

use super::{KEY, tempdir};

/// A server without a socket.
pub struct TestApp {
    pub state: AppState,
    pub router: Router,
    pub specs: TempDir,
    pub data: TempDir,
    pub stop: watch::Sender<bool>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    /// A header's value, or nothing.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The detail of a problem document with this very status.
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let json = self.json();
        assert_eq!(json["status"], status);
        assert_eq!(json["type"], "about:blank");
        assert!(json["title"].is_string());
        json["detail"].as_str().expect("a detail").to_owned()
    }
}

impl TestApp {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(limit: impl FnOnce(&mut Limits)) -> Self {
        let (data, specs) = (tempdir(), tempdir());
        std::fs::write(
            specs.path().join("007-config-loop.md"),
            "# Loop\n\nAbout the config file.\n",
        )
        .expect("written");
        std::fs::write(
            specs.path().join("008-other.md"),
            "# Other\n\nA loop in the backend.\n",
        )
        .expect("written");
        let data_dir = data.path().to_str().expect("text");
        let specs_dir = specs.path().to_str().expect("text");
        let mut args =
            ServeArgs::parse_from(["", "--data-dir", data_dir, "--specs-dir", specs_dir]);
        limit(&mut args.limits);
        let key = ApiKey::new(KEY).expect("a valid key");
        let (stop, stopping) = watch::channel(false);
        let state = App::start(args, key, stopping, Faults::default()).expect("starts");
        let router = router::router(state.clone());
        Self {
            state,
            router,
            specs,
            data,
            stop,
        }
    }

    /// Another program's view of the missions.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.data.path().join("tachikoma.db")).expect("opens")
    }

    /// Sends a request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = observe(&self.state, &self.router, request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let body = String::from_utf8(body.to_vec()).expect("text");
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Sends a request with the key and without a body.
    pub async fn call(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"));
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// Sends a JSON body with the key.
    pub async fn json(&self, method: Method, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(body.into()).expect("a request"))
            .await
    }

    /// Creates a mission and gives its id.
    pub async fn create(&self, name: &str) -> String {
        let body = serde_json::json!({"name": name, "prompt": "p", "backend": "mock"});
        let answer = self
            .json(Method::POST, "/api/missions", body.to_string())
            .await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }
}
