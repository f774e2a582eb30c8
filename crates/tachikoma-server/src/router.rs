//! All routes on one screen.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::api::{health, metrics, missions, specs};
use crate::app::AppState;
use crate::problem::Problem;
use crate::{openapi, ws};

/// What needs no key in the header. A browser cannot set headers on a WebSocket, so that route checks
/// the key by itself.
pub const OPEN: [&str; 4] = ["/api/health", "/api/openapi.json", "/metrics", "/ws"];

/// The routes of the API, for [`crate::observe::observe`].
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
    let routes = routes.route_layer(axum::middleware::from_fn_with_state(
        app.clone(),
        crate::faults::inject,
    ));
    routes
        .method_not_allowed_fallback(async || {
            let detail =
                "this path does not support this method; the Allow header says which it does";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
        })
        .with_state(app)
}
