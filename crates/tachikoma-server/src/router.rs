//! All routes on one screen.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tower_http::validate_request::ValidateRequestHeaderLayer;

use crate::api::{health, metrics, missions, specs};
use crate::http::observe::observe;
use crate::problem::Problem;
use crate::state::AppState;
use crate::{openapi, ws};

/// The whole API, ready to be served or to be called without a socket.
pub fn app(state: AppState) -> Router {
    let open = Router::new()
        .route("/api/health", get(health::health))
        .route("/api/openapi.json", get(openapi::document))
        .route("/metrics", get(metrics::metrics))
        // A browser cannot set headers on a WebSocket, so this route checks the key by itself.
        .route("/ws", get(ws::connect));
    let guard = state.clone();
    #[expect(
        clippy::result_large_err,
        reason = "the library takes a whole response as the error"
    )]
    let require_key = ValidateRequestHeaderLayer::custom(move |request: &mut Request| {
        if guard.authorizes(request.headers()) {
            return Ok(());
        }
        Err(Problem::unauthorized().into_response())
    });
    let keyed = Router::new()
        .route("/api/missions", post(missions::create).get(missions::list))
        .route(
            "/api/missions/{id}",
            get(missions::get)
                .patch(missions::update)
                .delete(missions::delete),
        )
        .route("/api/specs/search", get(specs::search))
        .route("/api/specs/{id}", get(specs::get))
        .route_layer(require_key);
    let routes = open.merge(keyed);
    #[cfg(feature = "faults")]
    let routes = routes.route_layer(from_fn_with_state(state.clone(), crate::faults::inject));
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(from_fn_with_state(state.clone(), observe))
        .with_state(state)
}

async fn not_found() -> Problem {
    Problem::not_found("there is nothing at this path; /api/openapi.json lists what there is")
}

async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not know this method",
    )
}
