//! Accepts connections and serves the router on them, within the limits.

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{App, AppState};
use crate::logging::Rarely;
use crate::metrics::Counted;
use crate::observe::observe;
use crate::problem::Problem;
use crate::progress::{Progress, Watched};
use crate::shutdown;

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

/// Connections beyond the limit that are still read, so that health and metrics answer.
const SPARE_PLACES: usize = 16;

/// Longest time that such a connection may take for its one request.
const SPARE_PATIENCE: Duration = Duration::from_secs(1);

/// Longest wait for the request of a client that is turned away for want of a file descriptor.
const REFUSAL_PATIENCE: Duration = Duration::from_millis(100);

/// Serves until the app's `shutdown` turns true, then lets what is in flight end, for at most the
/// shutdown timeout.
pub async fn serve(listener: TcpListener, router: Router, app: AppState) {
    let max = app.args.limits.max_connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(max));
    let spare = Arc::new(Semaphore::new(SPARE_PLACES));
    let mut files = SpareFile {
        file: open_any(),
        log: Rarely::default(),
    };
    let mut stop = app.shutdown.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown::requested(&mut stop) => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let is_spare = places.available_permits() == 0;
                let places = if is_spare { &spare } else { &places };
                match places.clone().try_acquire_owned() {
                    Ok(place) => {
                        let (router, app) = (router.clone(), app.clone());
                        tokio::spawn(connection(stream, peer, place, is_spare, router, app));
                    }
                    Err(_) => refuse(&stream, &app, FULL),
                }
            }
            // Of one connection that broke before it was accepted, not of the listener.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
                ) => {}
            Err(error) => files.turn_one_away(&listener, &app, &error).await,
        }
    }
    drop(listener);
    // Each connection holds a place.
    let all = places.acquire_many(u32::try_from(max).unwrap_or(u32::MAX));
    match tokio::time::timeout(app.args.limits.shutdown_timeout, all).await {
        Ok(_) => tracing::info!("stopped: every connection has ended"),
        Err(_) => {
            let left = max.saturating_sub(places.available_permits());
            tracing::warn!(left, "stopped: some connections did not end in time");
        }
    }
}

/// A file that is held open for the moment in which there is no file descriptor left: given up, it
/// lets one more client in, who is told so.
struct SpareFile {
    file: Option<File>,
    log: Rarely,
}

impl SpareFile {
    async fn turn_one_away(&mut self, listener: &TcpListener, app: &App, error: &std::io::Error) {
        if let Some(held_back) = self.log.line() {
            tracing::error!(%error, held_back, "failed to accept a connection");
        }
        drop(self.file.take());
        let refusal = async {
            let (stream, _) = listener.accept().await?;
            // What stays unread would make the close a reset, and the answer might be lost.
            let _bytes = loop {
                stream.readable().await?;
                match stream.try_read(&mut [0; 4096]) {
                    // It only looked as if there was something.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    read => break read?,
                }
            };
            refuse(&stream, app, NO_FILES);
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

/// Serves one connection. One that is `spare` gets one answer, and only about the server itself.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    place: OwnedSemaphorePermit,
    is_spare: bool,
    router: Router,
    app: AppState,
) {
    let mut limits = app.args.limits.clone();
    if is_spare {
        limits.read_timeout = limits.read_timeout.min(SPARE_PATIENCE);
    }
    // Answers are written whole: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let (open, _) = Counted::another(&app.metrics.connections);
    let progress = Arc::new(Progress::default());
    let io = Watched {
        inner: stream,
        progress: progress.clone(),
        place: (place, open),
    };
    let service = service_fn(|request: hyper::Request<Incoming>| {
        progress.request_begins();
        let mut request: Request = request.map(Body::new);
        if request.uri().path() == "/metrics" {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let (app, router, progress) = (&app, &router, &progress);
        async move {
            let response = if is_spare && !is_about_the_server(request.uri().path()) {
                app.metrics.connections_refused.inc();
                Problem::unavailable("the server has as many connections as it can take")
                    .into_response()
            } else {
                observe(app, router, request).await
            };
            // For the connection's timer.
            progress.request_ends();
            #[cfg(feature = "faults")]
            if response
                .extensions()
                .get::<crate::faults::DropConnection>()
                .is_some()
            {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            Ok::<Response, std::io::Error>(response)
        }
    });
    let mut http = http1::Builder::new();
    // At most 100 headers, which is what the library takes without asking for memory.
    http.max_buf_size(MAX_HEAD_BYTES)
        .header_read_timeout(None)
        .half_close(true)
        .keep_alive(!is_spare);
    let serving = http
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(serving);
    let mut stop = app.shutdown.clone();
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
}

/// Whether a path is one of those that answer whatever else is too much.
pub fn is_about_the_server(path: &str) -> bool {
    matches!(path, "/api/health" | "/metrics")
}

/// Says 503 without waiting for anything, and closes.
fn refuse(stream: &TcpStream, app: &App, answer: &str) {
    app.metrics.connections_refused.inc();
    // A fresh socket has room for these bytes; if it is gone already, nobody misses them.
    let _ = stream.try_write(answer.as_bytes());
}
