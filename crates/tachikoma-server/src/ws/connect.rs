//! From an HTTP request to a WebSocket session.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{protocol, session};
use crate::http::extract::ValidQuery;
use crate::problem::{ApiResult, Problem};
use crate::state::AppState;

/// Bytes of each of a session's buffers: frames are small and sessions are many.
const BUFFER_BYTES: usize = 4 * 1024;
/// Bytes of frames that may wait for a slow client before sending itself waits.
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// The query of [`connect`].
#[derive(Debug, Deserialize)]
pub struct Credentials {
    token: Option<String>,
}

/// Opens a session for a client with the key, in the query as `token` or as a bearer token.
///
/// # Errors
/// 401 without the key, 400 or 426 for what is no WebSocket handshake, 503 at the limit.
pub async fn connect(
    State(state): State<AppState>,
    ValidQuery(query): ValidQuery<Credentials>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let authorized = match query.token {
        Some(token) => state.key_matches(&token),
        None => state.authorizes(&headers),
    };
    if !authorized {
        return Err(Problem::unauthorized());
    }
    let upgrade = upgrade.map_err(|rejection| {
        let status = rejection.into_response().status();
        let detail = "this is a WebSocket endpoint; connect with a WebSocket client (RFC 6455)";
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Problem::bad_request(detail);
        }
        Problem::new(status, detail)
    })?;
    let place = Place::take(&state).ok_or_else(|| {
        Problem::unavailable("the server has as many WebSocket sessions as it can take")
    })?;
    Ok(upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(protocol::MESSAGE_MAX)
        .max_frame_size(protocol::MESSAGE_MAX)
        .on_failed_upgrade(|error| tracing::debug!(%error, "WebSocket handshake not completed"))
        .on_upgrade(move |socket| async move { session::run(socket, &place.0).await }))
}

/// A place among the sessions, given back when the session ends or never begins.
struct Place(AppState);

impl Place {
    fn take(state: &AppState) -> Option<Self> {
        let max = i64::try_from(state.limits.max_websockets).unwrap_or(i64::MAX);
        let sessions = &state.metrics.websocket_sessions;
        if sessions.inc() >= max {
            sessions.dec();
            return None;
        }
        Some(Self(state.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.metrics.websocket_sessions.dec();
    }
}
