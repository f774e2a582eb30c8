//! Whatever a client sends, the parsers answer with a value or a problem, never with a panic.

use crate::common::TestApp;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::Request;
use proptest::prelude::*;
use serde::Deserialize;
use tachikoma_server::api::extract::{ValidQuery, parse};
use tachikoma_server::metrics::{UNMATCHED, route_label};
use tachikoma_server::mission::{MissionPatch, NewMission, parse_id};
use tachikoma_server::specs::search::{to_fts, words};
use tachikoma_server::ws::protocol;
use tower::Service;

fn encode(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[derive(Deserialize)]
struct Parameters {
    q: Option<String>,
    limit: Option<usize>,
}

/// What a handler gets of a raw query; `None` if it is refused.
fn query(raw: &str) -> Option<Parameters> {
    let request = Request::builder().uri(format!("/?{raw}")).body(());
    let (mut parts, ()) = request.expect("a URI").into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let read = ValidQuery::from_request_parts(&mut parts, &());
    let ValidQuery(query) = runtime.expect("a runtime").block_on(read).ok()?;
    Some(query)
}

/// JSON that is nearly what the API takes.
fn nearly_json() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("\"mock\"".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "\\PC{0,20}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just("[[]]".to_owned()),
        Just("{\"a\":{}}".to_owned()),
        Just("1e999".to_owned()),
        Just("\"\\ud800\"".to_owned()),
    ];
    let key = prop_oneof![
        Just("name"),
        Just("prompt"),
        Just("backend"),
        Just("status"),
        Just("x")
    ];
    proptest::collection::vec((key, value), 0..6).prop_map(|fields| {
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #[test]
    fn any_query_is_read_or_refused(raw in "[a-z%0-9&=+]{0,40}") {
        if let Some(query) = query(&raw) {
            prop_assert!(query.limit.is_none_or(|limit| limit < usize::MAX));
        }
    }

    #[test]
    fn an_encoded_value_comes_back(text in any::<String>(), before in "[a-p]{1,5}") {
        let raw = format!("{before}=1&q={}&z", encode(&text));
        prop_assert_eq!(query(&raw).expect("valid").q, Some(text));
    }

    #[test]
    fn an_id_is_read_only_in_its_one_form(text in "[0-9a-fA-F-]{30,40}|\\PC{0,40}") {
        if let Some(id) = parse_id(&text) {
            prop_assert_eq!(id.to_string(), text.to_lowercase());
        }
    }

    #[test]
    fn any_id_comes_back(bits in any::<u128>()) {
        let id = uuid::Uuid::from_u128(bits);
        prop_assert_eq!(parse_id(&id.to_string()), Some(id));
    }

    #[test]
    fn any_bytes_as_a_body_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = parse::<NewMission>(&bytes);
        let _ = parse::<MissionPatch>(&bytes);
    }

    #[test]
    fn a_body_that_is_taken_obeys_the_rules(text in nearly_json()) {
        if let Ok(mission) = parse::<NewMission>(text.as_bytes()) {
            prop_assert!((1..=200).contains(&mission.name.chars().count()));
            prop_assert!((1..=8_000).contains(&mission.prompt.chars().count()));
            prop_assert!((1..=64).contains(&mission.backend.len()));
        }
        if let Ok(patch) = parse::<MissionPatch>(text.as_bytes()) {
            prop_assert_ne!(patch, MissionPatch::default());
        }
    }

    #[test]
    fn any_frame_is_understood_or_answered(text in "\\PC{0,60}|[{}\\[\\]\":a-z,]{0,40}") {
        if let Err(message) = protocol::parse(&text) {
            prop_assert!(!message.is_empty());
        }
    }

    #[test]
    fn a_search_never_has_syntax(text in any::<String>()) {
        if let Some(query) = to_fts(&words(&text)) {
            prop_assert!(query.starts_with('"') && query.ends_with("\"*"));
            prop_assert!(!query.contains('\0'));
        }
    }
}

/// What has no label is answered without asking for the key, so it must be no route.
#[test]
fn a_path_has_a_label_exactly_if_it_leads_to_a_route() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let app = TestApp::new();
    let path =
        "(/api|/api|)(/(missions|specs|search|health|metrics|ws|openapi[.]json|x|%2[ef]|)){1,3}";
    let mut runner = proptest::test_runner::TestRunner::default();
    let path = proptest::string::string_regex(path).expect("a pattern");
    runner
        .run(&path, |path| {
            // A method that no route knows.
            let request = Request::put(&path).body(Body::empty()).expect("a request");
            let answer = runtime.block_on(app.router.clone().call(request));
            let status = answer.expect("infallible").status().as_u16();
            let expected = if route_label(&path) == UNMATCHED {
                404
            } else {
                405
            };
            prop_assert_eq!(status, expected, "{}", path);
            Ok(())
        })
        .expect("every path agrees");
}

/// Whatever is searched for, with a real index behind it.
#[test]
fn any_search_text_is_answered_with_an_array() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let app = TestApp::new();
    let fts_like =
        "(\"|\\*|\\^|-|\\(|\\)|:|\\{|\\}|NEAR|AND|OR|NOT|loop|config|title|é|\0| ){0,12}";
    let text = proptest::strategy::Union::new([
        any::<String>().boxed(),
        proptest::string::string_regex(fts_like)
            .expect("a pattern")
            .boxed(),
    ]);
    let mut runner = proptest::test_runner::TestRunner::default();
    runner
        .run(&text, |text| {
            let text: String = text.chars().take(256).collect();
            let path = format!("/api/specs/search?q={}", encode(&text));
            let answer = runtime.block_on(app.get(&path));
            prop_assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
            prop_assert!(answer.json().is_array());
            Ok(())
        })
        .expect("every text is answered");
}
