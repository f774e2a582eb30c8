//! `GET /api/health`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::json;
use crate::problem::{Problem, ProblemBody};
use crate::state::AppState;
use crate::{SERVICE, VERSION};

/// A healthy server's answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Healthy {
    /// Always `healthy`.
    #[schema(value_type = String)]
    status: &'static str,
    /// Always `tachikoma-server`.
    #[schema(value_type = String)]
    service: &'static str,
    /// The server's version.
    #[schema(value_type = String)]
    version: &'static str,
    /// Whole seconds since the server started.
    uptime_seconds: u64,
    /// There, and true, only if this server breaks things on purpose.
    #[cfg(feature = "faults")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(ignore)]
    faults: bool,
}

/// Whether the server works: its database can be written and read.
#[utoipa::path(
    get, path = "/api/health", tag = "health", operation_id = "health",
    responses(
        (status = 200, description = "The server works", body = Healthy),
        (status = 503, description = "The database cannot be read and written",
         body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn health(State(state): State<AppState>) -> Response {
    if !state.health.check(&state.store).await {
        return Problem::unavailable("the database cannot be read and written").into_response();
    }
    let body = Healthy {
        status: "healthy",
        service: SERVICE,
        version: VERSION,
        uptime_seconds: state.health.uptime().as_secs(),
        #[cfg(feature = "faults")]
        faults: state.faults.is_some(),
    };
    match serde_json::to_vec(&body) {
        Ok(body) => json(StatusCode::OK, body),
        Err(error) => Problem::internal(error).into_response(),
    }
}
