//! The OpenAPI document, generated from the handlers and types.

use std::sync::OnceLock;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::api::answer::json;
use crate::api::{health, metrics, missions, specs};

/// The document's root.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "tachikoma-server",
        description = "Missions and specs over HTTP. Mission events come over a WebSocket at \
                       `/ws`, which OpenAPI cannot describe: connect with the key as \
                       `?token=` or as a bearer token, then send \
                       `{\"type\":\"subscribe\",\"channel\":\"missions\"}`."
    ),
    paths(
        health::health, metrics::metrics, document,
        missions::create, missions::list, missions::get, missions::update, missions::delete,
        specs::get, specs::search,
    ),
    modifiers(&BearerKey)
)]
pub struct Api;

/// Declares the scheme that the routes' `security` entries name.
struct BearerKey;

impl Modify for BearerKey {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

/// The document as JSON text.
///
/// # Errors
/// If it cannot be rendered, which would be a defect of this build.
pub fn render() -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(&Api::openapi())
}

/// This document.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "The OpenAPI document", body = Object))
)]
pub async fn document() -> Response {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    let body = DOCUMENT.get_or_init(|| render().map(Bytes::from).unwrap_or_default());
    json(StatusCode::OK, body.clone())
}
