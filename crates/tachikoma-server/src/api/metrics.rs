//! `GET /metrics`.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::http::peer::Peer;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;

/// What the server counts about itself, as Prometheus text.
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses(
        (status = 200, description = "Prometheus text, format 0.0.4", body = String,
         content_type = "text/plain; version=0.0.4"),
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
    let text = state
        .metrics
        .render(&state.database_metrics, state.store.queued());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
