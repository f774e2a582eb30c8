//! `GET /metrics`.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::peer::Peer;
use crate::metrics::MEDIA_TYPE;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// What the server counts about itself, as OpenMetrics text.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses(
        (status = 200, description = "OpenMetrics text", body = String,
         content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (status = 403, description = "The client is on another machine",
         body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn metrics(State(state): State<AppState>, peer: Option<Extension<Peer>>) -> Response {
    let local = peer.is_some_and(|Extension(peer)| peer.is_loopback());
    if !local && !state.metrics_public {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "metrics are shown to clients on this machine only; the server's --metrics-public \
             opens them",
        )
        .into_response();
    }
    match state.metrics.render(state.store.queued()) {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}
