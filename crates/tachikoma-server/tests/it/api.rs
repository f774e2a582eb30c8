//! Every route and every status of the API, without sockets, each test with its own database.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{Answer, KEY, MISSION, TestApp};
use axum::Extension;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use axum::response::IntoResponse;
use serde_json::json;
use tachikoma_server::problem::InternalCause;
use tachikoma_server::store::ReadConnections;
use tokio::task::JoinSet;

const NO_SUCH_ID: &str = "018f3a3e-5b7c-7def-8a01-0123456789ab";

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
    let other = database(&app);
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
async fn a_created_mission_is_answered_and_kept() {
    let app = TestApp::new();
    let answer = app.json(Method::POST, "/api/missions", MISSION).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let mission = answer.json();
    let path = format!("/api/missions/{}", mission["id"].as_str().expect("an id"));
    assert_eq!(answer.header("location"), Some(path.as_str()));
    assert_eq!(mission["name"], "n");
    assert_eq!(mission["prompt"], "p");
    assert_eq!(mission["backend"], "mock");
    assert_eq!(mission["status"], "pending");
    assert_eq!(mission["created_at"], mission["updated_at"]);
    let again = app.get(&path).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.json(), mission);
}

#[tokio::test]
async fn idempotency_keys_are_checked() {
    let app = TestApp::new();
    let long = "k".repeat(256);
    for (key, status) in [("", 400), ("a b", 400), (long.as_str(), 400), ("k", 201)] {
        let request = Request::post("/api/missions")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(MISSION));
        let answer = app.send(request.expect("a request")).await;
        assert_eq!(answer.status.as_u16(), status, "{key:?}");
    }
}

/// Another program's view of the missions' database.
fn database(app: &TestApp) -> rusqlite::Connection {
    rusqlite::Connection::open(app.data.path().join("tachikoma.db")).expect("opens")
}

#[tokio::test]
async fn a_key_answers_for_a_day_and_for_a_mission_that_is_there() {
    let app = TestApp::new();
    let create = async |prompt: &str| {
        let body = json!({"name": "n", "prompt": prompt, "backend": "mock"}).to_string();
        let request = Request::post("/api/missions")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .header("idempotency-key", "k")
            .body(Body::from(body));
        app.send(request.expect("a request")).await
    };
    let first = create("p").await;
    assert_eq!(create("p").await.json(), first.json());
    create("other").await.problem(409);
    let old = "UPDATE idempotency_keys SET created_at = created_at - 24 * 60 * 60 * 1000 - 1";
    database(&app).execute_batch(old).expect("a day passes");
    let second = create("other").await;
    assert_eq!(second.status, StatusCode::CREATED, "{second:?}");
    assert_eq!(create("other").await.json(), second.json());
    let location = second.header("location").expect("a path");
    app.call(Method::DELETE, location).await;
    let third = create("p").await;
    assert_eq!(third.status, StatusCode::CREATED, "{third:?}");
    assert_eq!(create("p").await.json(), third.json());
}

#[tokio::test]
async fn old_keys_are_forgotten_a_few_at_a_time() {
    let app = TestApp::new();
    let database = database(&app);
    database
        .execute_batch(
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT 1000)
             INSERT INTO idempotency_keys SELECT 'old' || i, x'00', 'n', 'p', 'b', i FROM n",
        )
        .expect("filled");
    let keys = || -> i64 {
        let count = "SELECT count(*) FROM idempotency_keys";
        let count = database.query_row(count, [], |row| row.get(0));
        count.expect("counted")
    };
    let mut before = keys();
    for key in 0..5 {
        let request = Request::post("/api/missions")
            .header("authorization", format!("Bearer {KEY}"))
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{key}"))
            .body(Body::from(MISSION));
        app.send(request.expect("a request")).await;
        let forgotten = before - keys() + 1;
        // More than one, or they would never become fewer.
        assert!((2..=16).contains(&forgotten), "{forgotten} at once");
        before = keys();
    }
}

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
async fn text_of_any_kind_survives() {
    let app = TestApp::new();
    for name in [
        "'; DROP TABLE missions; --",
        "nul \0 inside",
        "Ünïcödé 🕷",
        "<script>",
        "%s%n",
    ] {
        let body = json!({"name": name, "prompt": name, "backend": "mock"}).to_string();
        let created = app.json(Method::POST, "/api/missions", body).await.json();
        let path = format!("/api/missions/{}", created["id"].as_str().expect("an id"));
        let kept = app.get(&path).await.json();
        assert_eq!(
            (&kept["name"], &kept["prompt"]),
            (&json!(name), &json!(name))
        );
    }
}

#[tokio::test]
async fn bodies_are_checked() {
    let app = TestApp::new();
    let id = app.create("to be patched").await;
    let item = format!("/api/missions/{id}");
    let deep = "[".repeat(100_000);
    let long = format!(
        r#"{{"name":"{}","prompt":"p","backend":"mock"}}"#,
        "x".repeat(201)
    );
    let huge = format!(
        r#"{{"name":"n","prompt":"{}","backend":"mock"}}"#,
        "x".repeat(140_000)
    );
    for (method, path) in [
        (Method::POST, "/api/missions"),
        (Method::PATCH, item.as_str()),
    ] {
        for (body, status) in [
            ("", 400),
            ("{", 400),
            ("nonsense", 400),
            (&deep[..60_000], 422),
            (r#"{"name":"\ud800"}"#, 400),
            ("[]", 422),
            (r#"["n","p","mock"]"#, 422),
            ("null", 422),
            ("{}", 422),
            (r#"{"name":1}"#, 422),
            (r#"{"name":null}"#, 422),
            (r#"{"name":"n","more":1}"#, 422),
            (r#"{"name":"","prompt":"p","backend":"mock"}"#, 422),
            (r#"{"name":"n","prompt":"p","backend":"a b"}"#, 422),
            (long.as_str(), 422),
            (huge.as_str(), 413),
        ] {
            let answer = app.json(method.clone(), path, body.to_owned()).await;
            let shown = &body[..body.len().min(50)];
            assert_eq!(
                answer.status.as_u16(),
                status,
                "{method} {shown}: {answer:?}"
            );
            answer.problem(status);
        }
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/jsonx",
            "application/problem+json",
            "",
        ] {
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header("authorization", format!("Bearer {KEY}"))
                .header("content-type", kind)
                .body(Body::from(MISSION));
            app.send(request.expect("a request")).await.problem(415);
        }
    }
}

#[tokio::test]
async fn the_longest_valid_mission_fits_however_it_is_written() {
    let app = TestApp::new();
    let escaped = "\\ud83d\\ude00";
    let (name, prompt) = (escaped.repeat(200), escaped.repeat(8_000));
    let body = format!(r#"{{"name":"{name}","prompt":"{prompt}","backend":"mock"}}"#);
    let answer = app.json(Method::POST, "/api/missions", body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.json()["prompt"], "😀".repeat(8_000));
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

#[tokio::test]
async fn lists_are_paged_newest_first() {
    let app = TestApp::new();
    assert_eq!(app.get("/api/missions").await.json(), json!([]));
    let mut ids = Vec::new();
    for index in 0..55 {
        ids.push(app.create(&format!("m{index}")).await);
    }
    ids.reverse();
    let first = app.get("/api/missions").await;
    assert_eq!(first.json().as_array().map(Vec::len), Some(50));
    let mut seen = Vec::new();
    let mut path = "/api/missions?limit=10".to_owned();
    loop {
        let page = app.get(&path).await;
        for mission in page.json().as_array().expect("an array") {
            seen.push(mission["id"].as_str().expect("an id").to_owned());
        }
        let Some(link) = page.header("link") else {
            break;
        };
        let (target, rel) = link.split_once(">; ").expect("a target and a relation");
        assert_eq!(rel, "rel=\"next\"");
        path = target.trim_start_matches('<').to_owned();
    }
    assert_eq!(seen, ids);
    assert_eq!(
        app.get("/api/missions?limit=200").await.header("link"),
        None
    );
    assert_eq!(app.get("/api/missions?limit=55").await.header("link"), None);
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
async fn a_mission_is_changed_and_deleted() {
    let app = TestApp::new();
    let id = app.create("old").await;
    let path = format!("/api/missions/{id}");
    let before = app.get(&path).await.json();
    let body = r#"{"name":"new","status":"running"}"#;
    let answer = app.json(Method::PATCH, &path, body).await;
    assert_eq!(answer.status, StatusCode::OK);
    let after = answer.json();
    assert_eq!(
        (&after["name"], &after["status"]),
        (&json!("new"), &json!("running"))
    );
    assert_eq!(
        (&after["prompt"], &after["created_at"]),
        (&before["prompt"], &before["created_at"])
    );
    assert_eq!(app.get(&path).await.json(), after);
    let deleted = app.call(Method::DELETE, &path).await;
    assert_eq!(
        (deleted.status, deleted.body.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    app.get(&path).await.problem(404);
    app.call(Method::DELETE, &path).await.problem(404);
    app.json(Method::PATCH, &path, body).await.problem(404);
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
async fn a_spec_is_found_by_its_number() {
    let app = TestApp::new();
    let answer = app.get("/api/specs/007").await;
    assert_eq!(
        answer.json(),
        json!({
            "id": "007",
            "title": "Loop",
            "file": "007-config-loop.md",
            "content": "# Loop\n\nAbout the config file.\n",
        })
    );
    app.get("/api/specs/7").await.problem(404);
}

#[tokio::test]
async fn specs_are_searched_by_relevance() {
    let app = TestApp::new();
    let ids = |answer: &Answer| -> Vec<String> {
        let hits = answer.json();
        let hits = hits.as_array().expect("an array").iter();
        hits.map(|hit| hit["id"].as_str().expect("an id").to_owned())
            .collect()
    };
    let both = app.get("/api/specs/search?q=loop").await;
    assert_eq!(ids(&both), ["007", "008"], "a heading weighs more");
    assert_eq!(
        ids(&app.get("/api/specs/search?q=loop&limit=1").await),
        ["007"]
    );
    assert_eq!(
        ids(&app.get("/api/specs/search?q=LOOP+back").await),
        ["008"],
        "a beginning"
    );
    assert_eq!(ids(&app.get("/api/specs/search?q=zebra").await), [""; 0]);
    assert_eq!(ids(&app.get("/api/specs/search?q=").await), [""; 0]);
    let hit = &both.json()[0];
    assert_eq!(hit["title"], "Loop");
    assert!(hit["snippet"].is_string() && hit["score"].is_f64());
}

#[tokio::test]
async fn changed_spec_files_are_taken_over() {
    let app = TestApp::new();
    assert_eq!(app.get("/api/specs/search?q=zebra").await.body, "[]");
    std::fs::write(app.specs.path().join("009-new.md"), "# Zebra\n").expect("written");
    std::fs::write(
        app.specs.path().join("007-config-loop.md"),
        "# Changed text\n",
    )
    .expect("written");
    std::fs::remove_file(app.specs.path().join("008-other.md")).expect("removed");
    let changes = app.state.reindex().expect("indexed");
    assert_eq!((changes.total, changes.read, changes.removed), (2, 2, 1));
    assert_eq!(
        app.get("/api/specs/search?q=zebra").await.json()[0]["id"],
        "009"
    );
    assert_eq!(
        app.get("/api/specs/007").await.json()["title"],
        "Changed text"
    );
    app.get("/api/specs/008").await.problem(404);
    assert_eq!(app.get("/api/specs/search?q=loop").await.body, "[]");
    let again = app.state.reindex().expect("indexed");
    assert_eq!(
        (again.read, again.removed),
        (0, 0),
        "unchanged files are not read again"
    );
}

#[tokio::test]
async fn a_lost_or_damaged_index_of_specs_is_built_anew_for_the_readers_too() {
    let app = TestApp::new();
    let index = app.data.path().join("specs.db");
    assert_eq!(app.get("/api/specs/search?q=zebra").await.body, "[]");
    std::fs::remove_file(&index).expect("removed");
    std::fs::write(app.specs.path().join("009-new.md"), "# Zebra\n").expect("written");
    app.state.reindex().expect("indexed");
    let found = app.get("/api/specs/search?q=zebra").await.json();
    assert_eq!(found[0]["id"], "009");
    std::fs::remove_file(&index).expect("removed");
    std::fs::write(&index, "not a database ".repeat(1_000)).expect("written");
    std::fs::write(app.specs.path().join("010-newer.md"), "# Lion\n").expect("written");
    app.state.reindex().expect("indexed");
    assert_eq!(
        app.get("/api/specs/search?q=lion").await.json()[0]["id"],
        "010"
    );
}

#[tokio::test]
async fn a_search_that_fails_leaves_no_transaction_open() {
    let app = TestApp::new();
    let index = app.data.path().join("specs.db");
    let other = rusqlite::Connection::open(index).expect("opens");
    other
        .execute_batch("ALTER TABLE specs RENAME TO gone")
        .expect("renamed");
    for _ in 0..10 {
        app.get("/api/specs/search?q=loop").await.problem(500);
    }
    // A reader within a transaction would keep the log from being emptied.
    let busy: i64 = other
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        .expect("works");
    assert_eq!(busy, 0);
}

#[tokio::test]
async fn a_broken_spec_file_leaves_the_index_as_it_was() {
    let app = TestApp::new();
    std::fs::write(app.specs.path().join("009-bad.md"), b"# \xff\n").expect("written");
    let error = app.state.reindex().expect_err("must be refused");
    let error = format!("{error:#}");
    assert!(
        error.contains("009-bad.md") && error.contains("UTF-8"),
        "{error}"
    );
    assert_eq!(app.get("/api/specs/007").await.status, StatusCode::OK);
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

#[tokio::test]
async fn a_websocket_needs_a_handshake() {
    let app = TestApp::new();
    let answer = app.get(&format!("/ws?token={KEY}")).await;
    assert!(answer.problem(400).contains("WebSocket"));
}
