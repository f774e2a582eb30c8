//! Around every route: key, request id, deadline, limit, metrics, headers, log line.
//!
//! One function, and not a stack of layers: each layer of tower boxes the request's future and clones the service once
//! more, and health has to answer nine tenths of the requests that a bare handler does.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tower::Service;

use crate::app::AppState;
use crate::metrics::{Counted, UNMATCHED, method_label, route_label};
use crate::problem::{InternalCause, Problem};
use crate::router::OPEN;
use crate::serve::is_about_the_server;
use crate::store::writer::Ticket;

/// The header that names a request in the log and to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_MAX: usize = 64;

const SERVER: HeaderValue =
    HeaderValue::from_static(concat!("tachikoma-server/", env!("CARGO_PKG_VERSION")));

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// Asks for the key, bounds, counts and logs a request, which `routes` answer.
pub async fn observe(app: &AppState, routes: &Router, request: Request) -> Response {
    #[cfg(feature = "profiler")]
    if request.uri().path() == crate::stacks::PATH {
        return crate::stacks::answer(app, request.method(), request.headers()).await;
    }
    let begun = Instant::now();
    let route = route_label(request.uri().path());
    let method = method_label(request.method());
    let id = request_id(&request);
    let (_in_flight, others) = Counted::another(&app.metrics.in_flight);
    let is_too_much = others >= app.args.limits.max_in_flight && !is_about_the_server(route);
    let refusal = if route == UNMATCHED {
        let detail = "there is nothing at this path; /api/openapi.json lists what there is";
        Some(Problem::not_found(detail))
    } else if !OPEN.contains(&route) && !app.key().authorizes(request.headers()) {
        Some(Problem::unauthorized())
    } else {
        let detail = "the server has more requests than it can take; try again later";
        is_too_much.then(|| Problem::unavailable(detail))
    };
    let ticket = (!matches!(method, "GET" | "HEAD")).then(Ticket::default);
    let mut response = if let Some(refusal) = refusal {
        refusal.into_response()
    } else {
        let deadline = begun + app.args.limits.request_timeout;
        let mut answer = pin!(Ticket::with(ticket.clone(), routes.clone().call(request)));
        match tokio::time::timeout_at(deadline.into(), &mut answer).await {
            Ok(Ok(response)) => response,
            Err(_) if ticket.is_none_or(|ticket| ticket.claim()) => Problem::unavailable(
                "the server did not finish in time, and nothing was stored; try again later",
            )
            .into_response(),
            // A write that has begun cannot be given up: the answer is what becomes of it.
            Err(_) => answer.await.into_response(),
        }
    };
    let elapsed = begun.elapsed();
    let status = response.status();
    app.metrics.answered(route, method, status, elapsed);
    let request_id = id.to_str().unwrap_or_default();
    if let Some(InternalCause(cause)) = response.extensions_mut().remove() {
        tracing::error!(request_id, method, route, %cause, "request failed");
    }
    // The template and never the URL: a query may carry a token.
    let (code, micros) = (status.as_u16(), elapsed.as_micros());
    tracing::debug!(request_id, method, route, status = code, micros, "answered");
    let headers = response.headers_mut();
    headers.insert(header::SERVER, SERVER);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(REQUEST_ID, id);
    response
}

/// Takes the client's request id over if it is harmless, else makes one.
fn request_id(request: &Request) -> HeaderValue {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    // Differs from process to process, so that ids of different runs do not meet in one log.
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
    // Neighbours look different: an odd factor maps no two numbers to the same.
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let harmless = |value: &&HeaderValue| {
        let is_harmless = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
        (1..=REQUEST_ID_MAX).contains(&value.len()) && value.as_bytes().iter().all(is_harmless)
    };
    if let Some(id) = request.headers().get(REQUEST_ID).filter(harmless) {
        return id.clone();
    }
    let number = COUNTER.fetch_add(1, Ordering::Relaxed).wrapping_mul(ODD) ^ *SEED;
    let id: [u8; 16] = std::array::from_fn(|place| {
        let digit = number >> (60 - 4 * place) & 0xf;
        b"0123456789abcdef"[digit as usize]
    });
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("none"))
}
