//! Missions and their idempotency keys.

use crate::common::{Answer, KEY, MISSION, TestApp};
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::json;

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
        let answer = create_once(&app, key, "p").await;
        assert_eq!(answer.status.as_u16(), status, "{key:?}");
    }
}

/// Creates a mission with an idempotency key.
async fn create_once(app: &TestApp, key: &str, prompt: &str) -> Answer {
    let body = json!({"name": "n", "prompt": prompt, "backend": "mock"}).to_string();
    let request = Request::post("/api/missions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body));
    app.send(request.expect("a request")).await
}

#[tokio::test]
async fn a_key_answers_for_a_day_and_for_a_mission_that_is_there() {
    let app = TestApp::new();
    let create = async |prompt| create_once(&app, "k", prompt).await;
    let first = create("p").await;
    assert_eq!(create("p").await.json(), first.json());
    create("other").await.problem(409);
    let old = "UPDATE idempotency_keys SET created_at = created_at - 24 * 60 * 60 * 1000 - 1";
    app.database().execute_batch(old).expect("a day passes");
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
    let database = app.database();
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
        create_once(&app, &format!("{key}"), "p").await;
        let forgotten = before - keys() + 1;
        // More than one, or they would never become fewer.
        assert!((2..=16).contains(&forgotten), "{forgotten} at once");
        before = keys();
    }
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
