//! The OpenAPI document is what the code says, and the committed copy is that document.

mod common;

use std::path::Path;

use common::TestApp;

/// Set to 1 to write the snapshot anew.
const UPDATE: &str = "UPDATE_SNAPSHOTS";

#[test]
fn the_snapshot_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let document = tachikoma_server::openapi::render().expect("renders") + "\n";
    if std::env::var_os(UPDATE).is_some_and(|value| value == "1") {
        std::fs::write(&path, &document).expect("written");
    }
    let snapshot = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        snapshot == document,
        "crates/tachikoma-server/openapi.json differs from what the code says; \
         look at the difference after: {UPDATE}=1 cargo test -p tachikoma-server --test openapi"
    );
}

#[tokio::test]
async fn the_document_is_served_and_names_every_route() {
    let app = TestApp::new();
    let document = app.get("/api/openapi.json").await.json();
    let paths = document["paths"].as_object().expect("paths");
    for route in tachikoma_server::metrics::ROUTES {
        // The WebSocket is described in words.
        if route != "/ws" {
            assert!(paths.contains_key(route), "{route} is missing");
        }
    }
    assert_eq!(
        document["components"]["securitySchemes"]["key"]["scheme"],
        "bearer"
    );
}
