//! What the server counts about itself.

use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use crate::os;

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the duration buckets, in seconds.
const DURATION_BOUNDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Upper bounds of the batch size buckets, in writes.
const BATCH_BOUNDS: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// The route templates, as labels; the first that matches counts, and what matches none is
/// [`UNMATCHED`].
pub const ROUTES: [&str; 8] = [
    "/api/health",
    "/api/missions",
    "/api/missions/{id}",
    "/api/specs/search",
    "/api/specs/{id}",
    "/ws",
    "/metrics",
    "/api/openapi.json",
];

/// The methods, as labels. Any other counts as `other`.
pub const METHODS: [&str; 5] = ["GET", "POST", "PATCH", "DELETE", "HEAD"];

/// The label of requests to no route.
pub const UNMATCHED: &str = "unmatched";

/// What tells one series of requests from another.
#[derive(Debug, Clone, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

impl Hash for RequestLabels {
    /// Nearly always different, and much quicker than of the whole texts.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_usize(
            self.method.len() + (self.route.len() << 8) + (usize::from(self.status) << 16),
        );
    }
}

/// Every metric of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    /// Requests being worked on.
    pub in_flight: Gauge,
    /// Open connections, WebSocket sessions included.
    pub connections: Gauge,
    /// Connections turned away because there were too many.
    pub connections_refused: Counter,
    /// Open WebSocket sessions.
    pub websocket_sessions: Gauge,
    /// Frames sent to WebSocket clients.
    pub websocket_sent: Counter,
    /// Events that slow WebSocket clients missed.
    pub websocket_lagged: Counter,
    /// WebSocket sessions closed because the client did not read or answer.
    pub websocket_dropped: Counter,
    write_queue: Gauge,
    read_queue: Gauge,
    commit_duration: Histogram,
    batch_size: Histogram,
    resident: Gauge,
    cpu: Counter<f64, AtomicU64>,
}

impl Default for Metrics {
    /// Nothing counted yet.
    fn default() -> Self {
        let mut registry = Registry::default();
        let resident = count(&mut registry, "process_resident_memory_bytes", "Memory");
        let cpu = count(&mut registry, "process_cpu_seconds", "User and system");
        let own = &mut registry.sub_registry_with_prefix("tachikoma");
        Self {
            requests: add(
                own,
                "http_request_duration_seconds",
                "Time from a request's head to its answer",
                Family::new_with_constructor(durations as fn() -> Histogram),
            ),
            in_flight: count(own, "http_requests_in_flight", "Requests being worked on"),
            connections: count(own, "connections", "Connections and WebSockets"),
            connections_refused: count(own, "connections_refused", "Connections turned away"),
            websocket_sessions: count(own, "websocket_sessions", "Open WebSocket sessions"),
            websocket_sent: count(own, "websocket_sent", "Frames sent to WebSocket clients"),
            websocket_lagged: count(own, "websocket_lagged", "Events that slow clients missed"),
            websocket_dropped: count(own, "websocket_dropped", "Sessions of clients gone"),
            write_queue: count(own, "db_write_queue_length", "Writes that wait"),
            read_queue: count(own, "db_read_queue_length", "Reads that wait"),
            commit_duration: add(
                own,
                "db_commit_duration_seconds",
                "Duration of a transaction, flush to disk included",
                durations(),
            ),
            batch_size: add(
                own,
                "db_commit_batch_size",
                "Writes in one transaction",
                Histogram::new(BATCH_BOUNDS),
            ),
            resident,
            cpu,
            registry,
        }
    }
}

impl Metrics {
    /// Counts an answered request. `route` is a label from [`route_label`].
    pub fn answered(
        &self,
        route: &'static str,
        method: &'static str,
        status: StatusCode,
        took: Duration,
    ) {
        let request = RequestLabels {
            method,
            route,
            status: status.as_u16(),
        };
        self.requests
            .get_or_create(&request)
            .observe(took.as_secs_f64());
    }

    /// Counts one transaction of `writes` writes that took `took`, flush included.
    pub fn committed(&self, writes: usize, took: Duration) {
        self.commit_duration.observe(took.as_secs_f64());
        self.batch_size.observe(writes as f64);
    }

    /// The OpenMetrics text. `queued` is the length of the write queue and of the read queue.
    ///
    /// # Errors
    /// If a metric cannot be written, which would be a defect of this build.
    pub fn render(&self, queued: (usize, usize)) -> Result<String, std::fmt::Error> {
        let length = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.write_queue.set(length(queued.0));
        self.read_queue.set(length(queued.1));
        if let Some(bytes) = os::resident_bytes() {
            self.resident.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        if let Some(time) = os::cpu_time() {
            self.cpu
                .inner()
                .store(time.as_secs_f64().to_bits(), Ordering::Relaxed);
        }
        let mut text = String::with_capacity(16 * 1024);
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn count<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    add(registry, name, help, M::default())
}

fn add<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Counts something as long as it lives.
#[derive(Debug)]
pub struct Counted(Gauge);

impl Counted {
    /// Counts one more, and gives how many there were before.
    pub fn another(gauge: &Gauge) -> (Self, usize) {
        let others = usize::try_from(gauge.inc()).unwrap_or(0);
        (Self(gauge.clone()), others)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn durations() -> Histogram {
    Histogram::new(DURATION_BOUNDS)
}

/// The label of the route that a path leads to.
pub fn route_label(path: &str) -> &'static str {
    let is_it = |route: &&str| match route.strip_suffix("{id}") {
        Some(folder) => {
            matches!(path.strip_prefix(folder), Some(id) if !id.is_empty() && !id.contains('/'))
        }
        None => path == *route,
    };
    ROUTES.into_iter().find(is_it).unwrap_or(UNMATCHED)
}

/// The label of a method.
pub fn method_label(method: &Method) -> &'static str {
    let known = METHODS.into_iter().find(|name| *name == method.as_str());
    known.unwrap_or("other")
}
