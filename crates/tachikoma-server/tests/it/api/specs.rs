//! Specs: lookup, search and the folder.

use crate::common::{Answer, TestApp};
use axum::http::StatusCode;
use serde_json::json;

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
