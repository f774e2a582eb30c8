//! Accepts connections and serves the router on them, within the limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use crate::http::io::{Progress, Watched};
use crate::http::peer::Peer;
use crate::shutdown;
use crate::state::AppState;

/// The whole answer to a connection beyond the limit.
const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-length: 0\r\n\r\n";

/// How long to wait when the operating system has no socket left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of a request's head; 431 beyond.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Most headers of a request.
const MAX_HEADERS: usize = 100;

/// Serves until the state's `shutdown` turns true, then lets what is in flight end, for at most
/// the shutdown timeout.
pub async fn serve(listener: TcpListener, app: Router, state: AppState) {
    let max = state.limits.max_connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(max));
    let http = builder();
    let mut stop = state.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown::requested(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (http, app, state) = (http.clone(), app.clone(), state.clone());
                    tokio::spawn(connection(stream, peer, place, http, app, state));
                }
                Err(_) => refuse(&stream, &state),
            },
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drain(&places, max, &state).await;
}

fn builder() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(None)
        .half_close(true);
    http
}

/// Waits until every connection is gone, since each holds a place.
async fn drain(places: &Semaphore, max: usize, state: &AppState) {
    let all = u32::try_from(max).unwrap_or(u32::MAX);
    let limit = state.limits.shutdown_timeout;
    match tokio::time::timeout(limit, places.acquire_many(all)).await {
        Ok(_) => tracing::info!("stopped: every connection has ended"),
        Err(_) => {
            let left = max.saturating_sub(places.available_permits());
            tracing::warn!(left, "stopped: some connections did not end in time");
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    http: http1::Builder,
    app: Router,
    state: AppState,
) {
    // Answers are written whole: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let open = OpenConnection::new(&state);
    let progress = Arc::new(Progress::new());
    let io = TokioIo::new(Watched::new(stream, progress.clone(), place));
    let service = service_fn(|request| answer(request, app.clone(), peer, progress.clone()));
    let serving = http.serve_connection(io, service).with_upgrades();
    tokio::pin!(serving);
    let mut stop = state.shutdown.clone();
    let mut stopping = false;
    let interval = state.limits.shortest_patience();
    let patience = tokio::time::sleep(interval);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            biased;
            ended = serving.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended by an error");
                }
                break;
            }
            () = patience.as_mut() => match progress.remaining(&state.limits) {
                // A phase that begins meanwhile may have a shorter limit.
                Some(left) => {
                    patience.as_mut().reset(tokio::time::Instant::now() + left.min(interval));
                }
                None => {
                    tracing::debug!("connection closed: the client took too long");
                    break;
                }
            },
            () = shutdown::requested(&mut stop), if !stopping => {
                stopping = true;
                serving.as_mut().graceful_shutdown();
            }
        }
    }
    drop(open);
}

/// Hands a request to the router, and notes when it begins and ends for the connection's timer.
async fn answer(
    request: hyper::Request<Incoming>,
    app: Router,
    peer: SocketAddr,
    progress: Arc<Progress>,
) -> std::io::Result<Response> {
    progress.request_begins();
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let Ok(response) = app.oneshot(request).await;
    progress.request_ends();
    #[cfg(feature = "faults")]
    if response
        .extensions()
        .get::<crate::faults::DropConnection>()
        .is_some()
    {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    Ok(response)
}

/// Counts a connection as long as it is served.
struct OpenConnection(AppState);

impl OpenConnection {
    fn new(state: &AppState) -> Self {
        state.metrics.connections.inc();
        Self(state.clone())
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

/// Says 503 without waiting for anything, and closes.
fn refuse(stream: &TcpStream, state: &AppState) {
    state.metrics.connections_refused.inc();
    // A fresh socket has room for these bytes; if it is gone already, nobody misses them.
    let _ = stream.try_write(REFUSAL);
}

/// Errors of one connection that broke before it was accepted, not of the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
