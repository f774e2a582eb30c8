//! The OpenAPI document agrees with the routes, their bounds and what they answer.

use std::collections::BTreeSet;

use crate::common::TestApp;
use axum::http::Method;
use serde_json::{Value, json};
use tachikoma_server::api::{missions, specs};
use tachikoma_server::{VERSION, metrics, mission, openapi};

fn document() -> Value {
    serde_json::from_str(openapi::DOCUMENT).expect("JSON")
}

#[tokio::test]
async fn it_names_every_route_and_method_and_no_other() {
    let app = TestApp::new();
    let served = app.get("/api/openapi.json").await;
    assert_eq!(served.json(), document());
    for route in metrics::ROUTES {
        // The WebSocket is described in words.
        let described = &document()["paths"][route];
        assert_eq!(described.is_object(), route != "/ws", "{route}");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let path = route.replace("{id}", "1");
            let answer = app.call(method.parse().expect("a method"), &path).await;
            let is_described = described[method.to_lowercase()].is_object();
            assert_eq!(
                answer.status != 405,
                is_described || route == "/ws" && method == "GET"
            );
        }
    }
    let paths = document()["paths"]
        .as_object()
        .map_or(0, serde_json::Map::len);
    assert_eq!(paths, metrics::ROUTES.len() - 1);
}

#[tokio::test]
async fn what_is_answered_has_the_fields_that_it_says() {
    let app = TestApp::new();
    let names = |value: &Value| -> BTreeSet<String> {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect()
    };
    let id = app.create("n").await;
    for (path, schema) in [
        ("/api/health", "Healthy"),
        (&format!("/api/missions/{id}"), "Mission"),
        ("/api/specs/007", "Spec"),
        ("/api/specs/search?q=loop", "SpecHit"),
        ("/nowhere", "Problem"),
    ] {
        let answer = app.get(path).await.json();
        let schema = &document()["components"]["schemas"][schema];
        let answered = names(answer.get(0).unwrap_or(&answer));
        assert_eq!(answered, names(&schema["properties"]), "{path}");
        assert_eq!(
            json!(answered),
            json!(sorted(&schema["required"])),
            "{path}"
        );
    }
}

fn sorted(names: &Value) -> BTreeSet<&str> {
    names
        .as_array()
        .expect("an array")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

#[tokio::test]
async fn each_status_of_a_bad_request_is_one_that_it_names() {
    let app = TestApp::new();
    let id = app.create("n").await;
    let one = format!("/api/missions/{id}");
    for (method, path, route, body) in [
        (Method::POST, "/api/missions", "/api/missions", "{"),
        (Method::POST, "/api/missions", "/api/missions", "{}"),
        (Method::PATCH, &one, "/api/missions/{id}", "[]"),
        (Method::PATCH, "/api/missions/1", "/api/missions/{id}", "{}"),
        (Method::GET, "/api/missions?limit=0", "/api/missions", ""),
        (Method::GET, "/api/specs/x", "/api/specs/{id}", ""),
        (Method::GET, "/api/specs/search", "/api/specs/search", ""),
        (Method::GET, "/metrics", "/metrics", ""),
    ] {
        let status = app.json(method.clone(), path, body).await.status;
        let operation = &document()["paths"][route][method.as_str().to_lowercase()];
        assert!(
            operation["responses"][status.as_str()].is_object(),
            "{method} {path}: {status}"
        );
    }
}

#[test]
fn its_bounds_are_those_of_the_code() {
    let document = document();
    let at = |pointer: &str| {
        document
            .pointer(pointer)
            .unwrap_or_else(|| panic!("{pointer}"))
    };
    assert_eq!(at("/info/version"), VERSION);
    assert_eq!(at("/components/securitySchemes/key/scheme"), "bearer");
    let status = at("/components/schemas/MissionStatus/enum");
    assert_eq!(*status, json!(mission::MissionStatus::ALL));
    for schema in ["Mission", "NewMission", "MissionPatch"] {
        for (field, max) in [
            ("name", mission::NAME_MAX),
            ("prompt", mission::PROMPT_MAX),
            ("backend", mission::BACKEND_MAX),
        ] {
            let field = format!("/components/schemas/{schema}/properties/{field}/maxLength");
            assert_eq!(*at(&field), max);
        }
    }
    for (place, bound) in [
        (
            "~1api~1missions/get/parameters/0/schema/maximum",
            missions::PAGE_MAX,
        ),
        (
            "~1api~1missions/post/parameters/0/schema/maxLength",
            missions::IDEMPOTENCY_KEY_MAX,
        ),
        (
            "~1api~1specs~1search/get/parameters/0/schema/maxLength",
            specs::SEARCH_MAX,
        ),
        (
            "~1api~1specs~1search/get/parameters/1/schema/maximum",
            specs::HITS_MAX,
        ),
    ] {
        assert_eq!(*at(&format!("/paths/{place}")), bound, "{place}");
    }
}
