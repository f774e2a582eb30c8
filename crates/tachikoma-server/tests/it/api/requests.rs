//! What holds for every route: key, paths, parameters, headers, errors.

use crate::common::{KEY, TestApp};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse;
use tachikoma_server::problem::InternalCause;
use tachikoma_server::store::ReadConnections;

const NO_SUCH_ID: &str = "018f3a3e-5b7c-7def-8a01-0123456789ab";

#[tokio::test]
async fn every_answer_has_the_common_headers() {
    let app = TestApp::new();
    let server = concat!("tachikoma-server/", env!("CARGO_PKG_VERSION"));
    for path in ["/api/health", "/api/missions", "/nowhere", "/ws"] {
        let answer = app.get(path).await;
        for (header, value) in [
            ("x-content-type-options", Some("nosniff")),
            ("server", Some(server)),
            ("access-control-allow-origin", None),
        ] {
            assert_eq!(answer.header(header), value, "{header} of {path}");
        }
        assert_eq!(answer.header("x-request-id").map(str::len), Some(16));
    }
}

#[tokio::test]
async fn a_harmless_request_id_is_taken_over() {
    let app = TestApp::new();
    for (sent, taken) in [
        ("trace-1.a_B", true),
        ("a b", false),
        ("<x>", false),
        ("", false),
    ] {
        let request = Request::get("/api/health").header("x-request-id", sent);
        let answer = app
            .send(request.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(
            answer.header("x-request-id") == Some(sent),
            taken,
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_read_that_fails_is_a_fault_of_the_server_and_its_cause_is_for_the_log() {
    let app = TestApp::new();
    let broken = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR);
    let read = move |_: &ReadConnections| -> rusqlite::Result<()> {
        Err(rusqlite::Error::SqliteFailure(broken, None))
    };
    let problem = app.state.store.read(read).await.expect_err("it fails");
    let response = problem.into_response();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let cause = response.extensions().get::<InternalCause>();
    assert!(cause.is_some_and(|cause| cause.0.contains("disk I/O")));
}

#[tokio::test]
async fn parameters_are_checked() {
    let app = TestApp::new();
    let long = format!("specs/search?q={}", "x".repeat(257));
    for path in [
        "missions?limit=0",
        "missions?limit=201",
        "missions?limit=x",
        "missions?limit=",
        "missions?limit=1&limit=2",
        "missions?before=x",
        "specs/search",
        "specs/search?q=a&q=b",
        "specs/search?q=%ff",
        "specs/search?q=a&limit=101",
        &long,
    ] {
        app.get(&format!("/api/{path}")).await.problem(400);
    }
    let unknown = format!("/api/missions?before={NO_SUCH_ID}&other=1");
    assert_eq!(app.get(&unknown).await.status, StatusCode::OK);
}

#[tokio::test]
async fn ids_are_data() {
    let app = TestApp::new();
    for id in [
        NO_SUCH_ID,
        "1",
        "x",
        "..",
        "%2e%2e%2fetc",
        "%00",
        "%ff",
        "'",
        "a%20b",
    ] {
        app.get(&format!("/api/missions/{id}")).await.problem(404);
        app.call(Method::DELETE, &format!("/api/missions/{id}"))
            .await
            .problem(404);
        app.get(&format!("/api/specs/{id}")).await.problem(404);
    }
}

#[tokio::test]
async fn every_other_route_needs_the_key() {
    let app = TestApp::new();
    let item = format!("/api/missions/{NO_SUCH_ID}");
    for (method, path) in [
        ("POST", "/api/missions"),
        ("GET", "/api/missions"),
        ("GET", &item),
        ("PATCH", &item),
        ("DELETE", &item),
        ("GET", "/api/specs/007"),
        ("GET", "/api/specs/search?q=x"),
        ("GET", "/ws"),
        ("GET", "/ws?token=wrong-key"),
    ] {
        for authorization in [None, Some("Bearer wrong-key"), Some("Basic dGVzdA==")] {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(value) = authorization {
                request = request.header("authorization", value);
            }
            let answer = app
                .send(request.body(Body::empty()).expect("a request"))
                .await;
            answer.problem(401);
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer"),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let app = TestApp::new();
    for path in [
        "/",
        "/api",
        "/api/missions/",
        "/api/specs",
        "/API/health",
        "/api/health/x",
    ] {
        app.get(path).await.problem(404);
    }
    for (method, path, allowed) in [
        (Method::PUT, "/api/missions", "GET"),
        (Method::POST, "/api/health", "GET"),
        (Method::OPTIONS, "/api/missions", "POST"),
        (Method::POST, "/metrics", "GET"),
    ] {
        let answer = app.call(method, path).await;
        answer.problem(405);
        assert!(
            answer
                .header("allow")
                .is_some_and(|allow| allow.contains(allowed)),
            "{answer:?}"
        );
    }
    let head = app.call(Method::HEAD, "/api/health").await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn a_websocket_needs_a_handshake() {
    let app = TestApp::new();
    let answer = app.get(&format!("/ws?token={KEY}")).await;
    assert!(answer.problem(400).contains("WebSocket"));
}
