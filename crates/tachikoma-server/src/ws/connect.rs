//! From an HTTP request to a WebSocket session.

use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{protocol, session};
use crate::api::extract::ValidQuery;
use crate::app::AppState;
use crate::metrics::Counted;
use crate::problem::{ApiResult, Problem};

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
    State(app): State<AppState>,
    ValidQuery(query): ValidQuery<Credentials>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> ApiResult<Response> {
    let is_known = match query.token {
        Some(token) => app.key().matches(token.as_bytes()),
        None => app.key().authorizes(&headers),
    };
    if !is_known {
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
    let (place, others) = Counted::another(&app.metrics.websocket_sessions);
    if others >= app.args.limits.max_websockets {
        return Err(Problem::unavailable(
            "the server has as many WebSocket sessions as it can take",
        ));
    }
    Ok(upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(protocol::MESSAGE_MAX)
        .max_frame_size(protocol::MESSAGE_MAX)
        .on_failed_upgrade(|error| tracing::debug!(%error, "WebSocket handshake not completed"))
        .on_upgrade(async move |socket| {
            session::run(socket, &app).await;
            drop(place);
        }))
}
