//! What is too much or takes too long.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{MISSION, TestApp};
use axum::body::Body;
use axum::http::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test]
async fn room_for_a_creates_answer_is_as_great_as_the_create() {
    let app = TestApp::with(|limits| limits.max_answer_bytes = 4_000);
    let long = json!({"name": "n", "prompt": "p".repeat(4_000), "backend": "mock"});
    let answer = app.json(Method::POST, "/api/missions", long.to_string());
    answer.await.problem(503);
    assert_eq!(app.get("/api/missions").await.body, "[]");
    app.create("small").await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let app = TestApp::with(|limits| limits.read_timeout = Duration::from_millis(50));
    app.json(Method::POST, "/api/missions", never_ending())
        .await
        .problem(408);
}

#[tokio::test]
async fn the_deadline_holds_for_everything() {
    let app = TestApp::with(|limits| limits.request_timeout = Duration::from_millis(50));
    let answer = app
        .json(Method::POST, "/api/missions", never_ending())
        .await;
    assert!(answer.problem(503).contains("in time"));
}

#[tokio::test]
async fn requests_beyond_the_limit_are_503_but_health_is_not() {
    let app = TestApp::with(|limits| limits.max_in_flight = 1);
    let held = app.json(Method::POST, "/api/missions", never_ending());
    let others = async {
        let answer = app.get("/api/missions").await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        answer.problem(503);
        assert_eq!(app.get("/api/health").await.status, StatusCode::OK);
    };
    tokio::select! {
        biased;
        _ = held => panic!("the body never ends"),
        () = others => {}
    }
    assert_eq!(
        app.get("/api/missions").await.status,
        StatusCode::OK,
        "the place is free again"
    );
}

/// A body of which nothing ever comes.
fn never_ending() -> Body {
    struct Never;
    impl hyper::body::Body for Never {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            Poll::Pending
        }
    }
    Body::new(Never)
}

#[tokio::test]
async fn a_full_queue_is_503() {
    let app = Arc::new(TestApp::with(|limits| limits.max_queue = 1));
    let mut many = JoinSet::new();
    for _ in 0..64 {
        let app = app.clone();
        many.spawn(async move { app.json(Method::POST, "/api/missions", MISSION).await });
    }
    let answers = many.join_all().await;
    let (created, refused): (Vec<_>, Vec<_>) = answers
        .iter()
        .partition(|answer| answer.status == StatusCode::CREATED);
    for answer in &refused {
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let created = created.len();
    assert!((1..64).contains(&created), "{created} of 64 created");
    let listed = app.get("/api/missions?limit=200").await.json();
    assert_eq!(
        listed.as_array().map(Vec::len),
        Some(created),
        "a refused one was created"
    );
}
