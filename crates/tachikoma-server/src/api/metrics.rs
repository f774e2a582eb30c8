//! `GET /metrics`.

use std::net::SocketAddr;

use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::AppState;
use crate::metrics::MEDIA_TYPE;
use crate::problem::{ApiResult, Problem};

/// What the server counts about itself, as OpenMetrics text.
pub async fn metrics(
    State(app): State<AppState>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
) -> ApiResult<Response> {
    let is_local = peer.is_some_and(|Extension(ConnectInfo(peer))| {
        // Over IPv6 an address of IPv4 is written as one of IPv6.
        peer.ip().to_canonical().is_loopback()
    });
    if !is_local && !app.args.metrics_public {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "metrics are shown to clients on this machine only; the server's --metrics-public \
             opens them",
        ));
    }
    let text = app.metrics.render(app.store.queued());
    let text = text.map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response())
}
