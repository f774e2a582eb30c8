//! The one layer around every route: request id, deadline, limit, metrics, headers, log line.
//!
//! It is one layer and not six, because each layer of its own boxes the service and the future
//! once more, and `GET /api/health` should cost little more than a bare handler.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower::{Layer, Service};

use crate::metrics::{method_index, route_index};
use crate::problem::{InternalCause, Problem};
use crate::state::AppState;

/// The header that names a request in the log and to the client.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id that is taken over from a client, in bytes.
const REQUEST_ID_MAX: usize = 64;

const SERVER: HeaderValue =
    HeaderValue::from_static(concat!("tachikoma-server/", env!("CARGO_PKG_VERSION")));

/// Wraps a router's services in [`Observed`].
#[derive(Debug, Clone)]
pub struct Observe {
    state: AppState,
}

impl Observe {
    /// The layer for this server.
    pub fn new(state: AppState) -> Self {
        Self { state }
    }
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observed {
            inner,
            state: self.state.clone(),
        }
    }
}

/// A service whose requests are bounded, counted and logged.
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
    state: AppState,
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ObservedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let template = request
            .extensions()
            .get::<MatchedPath>()
            .map(MatchedPath::as_str);
        let route = route_index(template);
        let exempt = matches!(template, Some("/api/health" | "/metrics"));
        let id = request_id(&request);
        let in_flight = InFlight::enter(&self.state);
        let record = Record {
            begun: Instant::now(),
            route,
            method: request.method().clone(),
            id,
            in_flight,
        };
        let limit = i64::try_from(self.state.limits.max_in_flight).unwrap_or(i64::MAX);
        let inner = if record.in_flight.count > limit && !exempt {
            None
        } else {
            Some(self.inner.call(request))
        };
        let limit = self.state.limits.request_timeout;
        ObservedFuture {
            inner,
            deadline: None,
            limit,
            record: Some(record),
        }
    }
}

/// What is known of a request before it is answered.
struct Record {
    begun: Instant,
    route: usize,
    method: Method,
    id: HeaderValue,
    in_flight: InFlight,
}

impl Record {
    fn finish(self, response: &mut Response) {
        let elapsed = self.begun.elapsed();
        let status = response.status();
        let state = &self.in_flight.state;
        state
            .metrics
            .answered(self.route, method_index(&self.method), status, elapsed);
        let cause = response.extensions_mut().remove::<InternalCause>();
        let id = self.id.to_str().unwrap_or_default();
        let route = crate::metrics::ROUTES[self.route];
        if let Some(InternalCause(cause)) = cause {
            tracing::error!(request_id = id, method = %self.method, route, %cause, "request failed");
        }
        // The template and never the URL: a query may carry a token.
        tracing::debug!(
            request_id = id,
            method = %self.method,
            route,
            status = status.as_u16(),
            micros = elapsed.as_micros(),
            "answered"
        );
        let headers = response.headers_mut();
        headers.insert(header::SERVER, SERVER);
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.insert(REQUEST_ID, self.id);
    }
}

/// Counts a request as long as it lives, also when its client goes away.
struct InFlight {
    state: AppState,
    count: i64,
}

impl InFlight {
    fn enter(state: &AppState) -> Self {
        let count = state.metrics.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        Self {
            state: state.clone(),
            count,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.metrics.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project! {
    /// The answer to come.
    pub struct ObservedFuture<F> {
        // None for a request beyond the limit.
        #[pin]
        inner: Option<F>,
        // Set up only when the answer is not there at once: a timer costs more than a short route.
        deadline: Option<Pin<Box<Sleep>>>,
        limit: Duration,
        record: Option<Record>,
    }
}

impl<F> Future for ObservedFuture<F>
where
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = match this.inner.as_pin_mut() {
            None => Problem::unavailable(
                "the server has more requests than it can take; try again later",
            )
            .into_response(),
            Some(inner) => match inner.poll(cx) {
                Poll::Ready(Ok(response)) => response,
                Poll::Pending => {
                    let limit = *this.limit;
                    let deadline = this
                        .deadline
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    ready!(deadline.as_mut().poll(cx));
                    Problem::unavailable("the server did not finish in time; try again later")
                        .into_response()
                }
            },
        };
        if let Some(record) = this.record.take() {
            record.finish(&mut response);
        }
        Poll::Ready(Ok(response))
    }
}

/// Takes the client's request id over if it is harmless, else makes one.
fn request_id(request: &Request) -> HeaderValue {
    if let Some(value) = request.headers().get(REQUEST_ID) {
        let bytes = value.as_bytes();
        if !bytes.is_empty()
            && bytes.len() <= REQUEST_ID_MAX
            && bytes
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
        {
            return value.clone();
        }
    }
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    const HEX: &[u8; 16] = b"0123456789abcdef";
    // Multiplying by an odd constant keeps ids distinct and makes them look unlike each other
    // (Fibonacci hashing); they need not be secret.
    let number = COUNTER
        .fetch_add(1, Ordering::Relaxed)
        .wrapping_add(process_seed());
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut text = [0; 16];
    for (index, byte) in text.iter_mut().enumerate() {
        *byte = HEX[usize::from((mixed >> (60 - 4 * index)) as u8 & 0xf)];
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("none"))
}

/// Differs from process to process, so that ids of different runs do not meet in one log.
fn process_seed() -> u64 {
    use std::sync::OnceLock;
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let started = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(started.as_nanos()).unwrap_or(u64::MAX) ^ u64::from(std::process::id()) << 40
    })
}
