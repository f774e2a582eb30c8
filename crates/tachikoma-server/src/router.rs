//! All routes on one screen.

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::api::{health, metrics, missions, specs};
use crate::app::AppState;
use crate::metrics::UNMATCHED;
use crate::observe::observe;
use crate::problem::Problem;
use crate::{openapi, ws};

/// What needs no key in the header. A browser cannot set headers on a WebSocket, so that route checks
/// the key by itself.
pub const OPEN: [&str; 5] = [
    "/api/health",
    "/api/openapi.json",
    "/metrics",
    "/ws",
    UNMATCHED,
];

/// The whole API, ready to be served or to be called without a socket.
pub fn router(app: AppState) -> Router {
    let one = get(missions::get)
        .patch(missions::update)
        .delete(missions::delete);
    let routes = Router::new()
        .route("/api/missions", post(missions::create).get(missions::list))
        .route("/api/missions/{id}", one)
        .route("/api/specs/search", get(specs::search))
        .route("/api/specs/{id}", get(specs::get))
        .route("/api/health", get(health::health))
        .route("/api/openapi.json", get(openapi::document))
        .route("/metrics", get(metrics::metrics))
        .route("/ws", get(ws::connect));
    #[cfg(feature = "faults")]
    let routes = routes.route_layer(from_fn_with_state(app.clone(), crate::faults::inject));
    routes
        .method_not_allowed_fallback(async || {
            let detail = "this path does not know this method";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .fallback(async || {
            Problem::not_found(
                "there is nothing at this path; /api/openapi.json lists what there is",
            )
        })
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}
