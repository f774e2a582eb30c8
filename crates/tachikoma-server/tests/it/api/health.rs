//! What the server says of itself.

use std::net::SocketAddr;
use std::time::Duration;

use crate::common::TestApp;
use axum::Extension;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use serde_json::json;

#[tokio::test]
async fn health_needs_no_key() {
    let app = TestApp::new();
    let request = Request::get("/api/health")
        .body(Body::empty())
        .expect("a request");
    let answer = app.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let mut json = answer.json();
    assert!(json["uptime_seconds"].is_u64());
    json["uptime_seconds"] = json!(0);
    assert_eq!(
        json,
        json!({
            "status": "healthy",
            "service": "tachikoma-server",
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": 0,
        })
    );
}

#[tokio::test]
async fn health_is_503_once_the_database_is_gone() {
    let app = TestApp::new();
    std::fs::remove_file(app.data.path().join("tachikoma.db")).expect("removed");
    let answer = app.get("/api/health").await;
    assert!(answer.problem(503).contains("database"));
    assert_eq!(answer.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn the_database_is_asked_once_whoever_goes_away() {
    let app = TestApp::new();
    let other = app.database();
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    for _ in 0..8 {
        let ask = tokio::time::timeout(Duration::from_millis(20), app.get("/api/health"));
        assert!(ask.await.is_err(), "nothing is known yet");
    }
    assert_eq!(
        app.state.store.queued().0,
        0,
        "others wait behind the first"
    );
    other.execute_batch("ROLLBACK").expect("unlocked");
    assert_eq!(app.get("/api/health").await.status, StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_for_this_machine() {
    let app = TestApp::new();
    app.create("counted").await;
    app.get("/metrics").await.problem(403);
    let from = |peer: [u8; 4]| {
        let peer = ConnectInfo(SocketAddr::from((peer, 9)));
        app.router.clone().layer(Extension(peer))
    };
    let (near, far) = (from([127, 0, 0, 1]), from([192, 0, 2, 1]));
    let far = TestApp { router: far, ..app };
    far.get("/metrics").await.problem(403);
    let near = TestApp {
        router: near,
        ..far
    };
    let answer = near.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header("content-type"),
        Some(tachikoma_server::metrics::MEDIA_TYPE)
    );
    for line in [
        "tachikoma_http_request_duration_seconds_count{method=\"POST\",route=\"/api/missions\",status=\"201\"} 1",
        "tachikoma_http_requests_in_flight 1",
        "tachikoma_db_commit_batch_size_sum 1.0",
        "tachikoma_db_commit_duration_seconds_bucket{le=\"0.1\"} 1",
        "# EOF",
        "tachikoma_db_write_queue_length 0",
        "tachikoma_websocket_sessions 0",
    ] {
        assert!(
            answer.body.lines().any(|l| l == line),
            "{line} is not in\n{}",
            answer.body
        );
    }
    assert!(answer.body.contains("process_resident_memory_bytes "));
    let cpu = |text: &str| -> f64 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("process_cpu_seconds_total "));
        line.unwrap().parse().unwrap()
    };
    let before = cpu(&answer.body);
    assert!(before > 0.0);
    assert!(cpu(&near.get("/metrics").await.body) > before);
}
