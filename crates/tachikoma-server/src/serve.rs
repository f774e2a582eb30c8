//! Accepts connections and serves the router on them, within the limits.

use std::convert::Infallible;
use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service as _;

use crate::http::io::{Progress, Watched};
use crate::http::peer::Peer;
use crate::logging::Rarely;
use crate::problem::Problem;
use crate::shutdown;
use crate::state::AppState;

/// The whole answer to a connection beyond the limit.
const FULL: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\
    content-length: 0\r\n\r\n";

/// The whole answer to a connection for which there is no file descriptor left.
const NO_FILES: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    connection: close\r\ncontent-type: application/problem+json\r\ncontent-length: 128\r\n\r\n\
    {\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\
    \"detail\":\"the server has no file descriptor left to serve you\"}";

/// How long to wait when a connection can be neither accepted nor refused.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bytes of a request's head; 431 beyond.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Most headers of a request.
const MAX_HEADERS: usize = 100;

/// Connections beyond the limit that are still read, so that health and metrics answer.
const SPARE_PLACES: usize = 16;

/// Longest time that such a connection may take for its one request.
const SPARE_PATIENCE: Duration = Duration::from_secs(1);

/// Longest wait for the request of a client that is turned away for want of a file descriptor.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(100);

/// Serves until the state's `shutdown` turns true, then lets what is in flight end, for at most
/// the shutdown timeout.
pub async fn serve(listener: TcpListener, app: Router, state: AppState) {
    let max = state.limits.max_connections.min(Semaphore::MAX_PERMITS);
    let (places, spare) = (
        Arc::new(Semaphore::new(max)),
        Arc::new(Semaphore::new(SPARE_PLACES)),
    );
    let mut files = SpareFile::new();
    let mut stop = state.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown::requested(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let place = match places.clone().try_acquire_owned() {
                    Ok(place) => Some((place, Service::Whole)),
                    Err(_) => {
                        let place = spare.clone().try_acquire_owned().ok();
                        place.map(|place| (place, Service::Spare))
                    }
                };
                match place {
                    Some((place, service)) => {
                        let (app, state) = (app.clone(), state.clone());
                        tokio::spawn(connection(stream, peer, place, service, app, state));
                    }
                    None => refuse(&stream, &state, FULL),
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => files.turn_one_away(&listener, &state, &error).await,
        }
    }
    drop(listener);
    drain(&places, max, &state).await;
}

/// What a connection gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    /// Everything, for as long as it likes.
    Whole,
    /// One answer, and only about the server itself.
    Spare,
}

/// A file that is held open for the moment in which there is no file descriptor left: given up, it
/// lets one more client in, who is told so.
struct SpareFile {
    file: Option<File>,
    log: Rarely,
}

impl SpareFile {
    fn new() -> Self {
        Self {
            file: open_any(),
            log: Rarely::default(),
        }
    }

    async fn turn_one_away(
        &mut self,
        listener: &TcpListener,
        state: &AppState,
        error: &std::io::Error,
    ) {
        if let Some(held_back) = self.log.line() {
            tracing::error!(%error, held_back, "failed to accept a connection");
        }
        drop(self.file.take());
        let refusal = async {
            let (stream, _) = listener.accept().await?;
            // What stays unread would make the close a reset, and the answer might be lost.
            loop {
                stream.readable().await?;
                match stream.try_read(&mut [0; 4096]) {
                    // It only looked as if there was something.
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    read => break read.map(drop)?,
                }
            }
            refuse(&stream, state, NO_FILES);
            std::io::Result::Ok(())
        };
        if !matches!(
            tokio::time::timeout(REFUSAL_PATIENCE, refusal).await,
            Ok(Ok(()))
        ) {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
        self.file = open_any();
    }
}

fn open_any() -> Option<File> {
    File::open("/dev/null").ok()
}

fn builder(kind: Service) -> http1::Builder {
    let mut http = http1::Builder::new();
    http.max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(None)
        .half_close(true)
        .keep_alive(kind == Service::Whole);
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
    kind: Service,
    app: Router,
    state: AppState,
) {
    let mut limits = state.limits.clone();
    if kind == Service::Spare {
        limits.read_timeout = limits.read_timeout.min(SPARE_PATIENCE);
    }
    // Answers are written whole: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let open = OpenConnection::new(&state);
    let progress = Arc::new(Progress::new());
    let io = TokioIo::new(Watched::new(stream, progress.clone(), place));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        progress.request_begins();
        let mut router = match kind {
            Service::Spare if !is_about_the_server(&request) => turn_away(&state),
            _ => app.clone(),
        };
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        answer(router.call(request), progress.clone())
    });
    let serving = builder(kind).serve_connection(io, service).with_upgrades();
    tokio::pin!(serving);
    let mut stop = state.shutdown.clone();
    let mut stopping = false;
    let interval = limits.shortest_patience();
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
            () = patience.as_mut() => match progress.remaining(&limits) {
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

/// Notes when a request is answered, for the connection's timer.
async fn answer(
    answer: RouteFuture<Infallible>,
    progress: Arc<Progress>,
) -> std::io::Result<Response> {
    let response = answer.await.unwrap_or_else(|never| match never {});
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

/// Answers 503 to everything.
fn turn_away(state: &AppState) -> Router {
    state.metrics.connections_refused.inc();
    Router::new().fallback(async || {
        Problem::unavailable("the server has as many connections as it can take")
    })
}

/// Whether a request is one of those that answer whatever else is too much.
fn is_about_the_server<B>(request: &hyper::Request<B>) -> bool {
    matches!(request.uri().path(), "/api/health" | "/metrics")
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
fn refuse(stream: &TcpStream, state: &AppState, answer: &str) {
    state.metrics.connections_refused.inc();
    // A fresh socket has room for these bytes; if it is gone already, nobody misses them.
    let _ = stream.try_write(answer.as_bytes());
}

/// Errors of one connection that broke before it was accepted, not of the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
