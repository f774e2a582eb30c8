//! What the server counts about itself, and the Prometheus text that shows it.
//!
//! Every series exists from the start as a plain atomic, so that counting a request takes a few
//! uncontended additions and no lock.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};

/// Upper bounds of the duration buckets, in microseconds.
const DURATION_BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// Upper bounds of the batch size buckets, in writes.
const BATCH_BOUNDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// The route templates, as labels. What matches none of them counts as the last.
pub const ROUTES: [&str; 10] = [
    "/api/health",
    "/api/missions",
    "/api/missions/{id}",
    "/api/specs/{id}",
    "/api/specs/search",
    "/ws",
    "/metrics",
    "/api/openapi.json",
    "/",
    "unmatched",
];

const METHODS: [&str; 6] = ["GET", "POST", "PATCH", "DELETE", "HEAD", "other"];

/// The statuses that the server can answer with. Anything else counts as the last.
const STATUSES: [u16; 19] = [
    200, 201, 204, 101, 400, 401, 403, 404, 405, 408, 411, 413, 415, 422, 426, 431, 500, 503, 0,
];

/// The position of a route template in [`ROUTES`].
pub fn route_index(template: Option<&str>) -> usize {
    template
        .and_then(|template| ROUTES.iter().position(|route| *route == template))
        .unwrap_or(ROUTES.len() - 1)
}

/// A cumulative histogram. The sum has the unit of the bounds.
#[derive(Debug)]
struct Histogram<const N: usize> {
    buckets: [AtomicU64; N],
    sum: AtomicU64,
    count: AtomicU64,
}

impl<const N: usize> Histogram<N> {
    fn new() -> Self {
        Self {
            buckets: std::array::from_fn(|_| AtomicU64::new(0)),
            sum: AtomicU64::new(0),
            count: AtomicU64::new(0),
        }
    }

    fn observe(&self, bounds: &[u64; N], value: u64) {
        // Each bucket holds its own share; they are added up when they are shown.
        if let Some(index) = bounds.iter().position(|bound| value <= *bound) {
            self.buckets[index].fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Appends the series; `scale` turns the unit of the bounds into that of the metric's name.
    fn render(&self, out: &mut String, name: &str, labels: &str, bounds: &[u64; N], scale: f64) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bucket, bound) in self.buckets.iter().zip(bounds) {
            below += bucket.load(Ordering::Relaxed);
            let bound = to_f64(*bound) * scale;
            let _ = writeln!(
                out,
                "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {below}"
            );
        }
        // A request may be counted between the two loads: +Inf must never be below a bucket.
        let count = self.count.load(Ordering::Relaxed).max(below);
        let sum = to_f64(self.sum.load(Ordering::Relaxed)) * scale;
        let braces = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{labels}}}")
        };
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}");
        let _ = writeln!(out, "{name}_sum{braces} {sum}");
        let _ = writeln!(out, "{name}_count{braces} {count}");
    }
}

/// What the writer thread counts.
#[derive(Debug)]
pub struct DatabaseMetrics {
    commit_duration: Histogram<16>,
    batch_size: Histogram<10>,
}

impl DatabaseMetrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            commit_duration: Histogram::new(),
            batch_size: Histogram::new(),
        }
    }

    /// Counts one transaction of `writes` writes that took `duration`, flush included.
    pub fn committed(&self, writes: usize, duration: Duration) {
        self.commit_duration
            .observe(&DURATION_BOUNDS, micros(duration));
        self.batch_size
            .observe(&BATCH_BOUNDS, u64::try_from(writes).unwrap_or(u64::MAX));
    }
}

impl Default for DatabaseMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// What request handling and WebSocket sessions count.
#[derive(Debug)]
pub struct Metrics {
    requests: Box<[Histogram<16>]>,
    /// Requests being worked on.
    pub in_flight: AtomicI64,
    /// Open connections, WebSocket sessions included.
    pub connections: AtomicI64,
    /// Connections turned away because there were too many.
    pub connections_refused: AtomicU64,
    /// Open WebSocket sessions.
    pub websocket_sessions: AtomicI64,
    /// Frames sent to WebSocket clients.
    pub websocket_sent: AtomicU64,
    /// Events that slow WebSocket clients missed.
    pub websocket_lagged: AtomicU64,
    /// WebSocket sessions closed because the client did not read or answer.
    pub websocket_dropped: AtomicU64,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let series = ROUTES.len() * METHODS.len() * STATUSES.len();
        Self {
            requests: (0..series).map(|_| Histogram::new()).collect(),
            in_flight: AtomicI64::new(0),
            connections: AtomicI64::new(0),
            connections_refused: AtomicU64::new(0),
            websocket_sessions: AtomicI64::new(0),
            websocket_sent: AtomicU64::new(0),
            websocket_lagged: AtomicU64::new(0),
            websocket_dropped: AtomicU64::new(0),
        }
    }

    /// Counts an answered request. `route` is a position from [`route_index`].
    pub fn answered(&self, route: usize, method: usize, status: StatusCode, duration: Duration) {
        let code = status.as_u16();
        let status = STATUSES
            .iter()
            .position(|s| *s == code)
            .unwrap_or(STATUSES.len() - 1);
        let index = (route * METHODS.len() + method) * STATUSES.len() + status;
        if let Some(histogram) = self.requests.get(index) {
            histogram.observe(&DURATION_BOUNDS, micros(duration));
        }
    }

    /// The Prometheus text (exposition format 0.0.4). `queued` is the length of the write queue
    /// and of the read queue.
    pub fn render(&self, database: &DatabaseMetrics, queued: (usize, usize)) -> String {
        let mut out = String::with_capacity(16 * 1024);
        let name = "tachikoma_http_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "Time from a request's head to its answer.",
        );
        for (index, histogram) in self.requests.iter().enumerate() {
            if histogram.count.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let status = STATUSES[index % STATUSES.len()];
            let status = if status == 0 {
                "other".to_owned()
            } else {
                status.to_string()
            };
            let method = METHODS[index / STATUSES.len() % METHODS.len()];
            let route = ROUTES[index / STATUSES.len() / METHODS.len()];
            let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
            histogram.render(&mut out, name, &labels, &DURATION_BOUNDS, 1e-6);
        }
        let gauge = |out: &mut String, name: &str, help: &str, value: i64| {
            head(out, name, "gauge", help);
            let _ = writeln!(out, "{name} {value}");
        };
        let counter = |out: &mut String, name: &str, help: &str, value: &AtomicU64| {
            head(out, name, "counter", help);
            let _ = writeln!(out, "{name} {}", value.load(Ordering::Relaxed));
        };
        let load = |value: &AtomicI64| value.load(Ordering::Relaxed);
        let out = &mut out;
        gauge(
            out,
            "tachikoma_http_requests_in_flight",
            "Requests being worked on.",
            load(&self.in_flight),
        );
        gauge(
            out,
            "tachikoma_connections",
            "Open connections, WebSocket sessions included.",
            load(&self.connections),
        );
        counter(
            out,
            "tachikoma_connections_refused_total",
            "Connections turned away at the limit.",
            &self.connections_refused,
        );
        gauge(
            out,
            "tachikoma_websocket_sessions",
            "Open WebSocket sessions.",
            load(&self.websocket_sessions),
        );
        counter(
            out,
            "tachikoma_websocket_sent_total",
            "Frames sent to WebSocket clients.",
            &self.websocket_sent,
        );
        counter(
            out,
            "tachikoma_websocket_lagged_total",
            "Events that slow WebSocket clients missed.",
            &self.websocket_lagged,
        );
        counter(
            out,
            "tachikoma_websocket_dropped_total",
            "WebSocket sessions closed on unresponsive clients.",
            &self.websocket_dropped,
        );
        let length = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        gauge(
            out,
            "tachikoma_db_write_queue_length",
            "Writes that wait for the writer.",
            length(queued.0),
        );
        gauge(
            out,
            "tachikoma_db_read_queue_length",
            "Reads that wait for a reader.",
            length(queued.1),
        );
        let name = "tachikoma_db_commit_duration_seconds";
        head(
            out,
            name,
            "histogram",
            "Duration of a transaction, flush to disk included.",
        );
        database
            .commit_duration
            .render(out, name, "", &DURATION_BOUNDS, 1e-6);
        let name = "tachikoma_db_commit_batch_size";
        head(out, name, "histogram", "Writes in one transaction.");
        database
            .batch_size
            .render(out, name, "", &BATCH_BOUNDS, 1.0);
        if let Some(bytes) = crate::os::resident_bytes() {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            gauge(
                out,
                "process_resident_memory_bytes",
                "Resident memory.",
                bytes,
            );
        }
        if let Some(time) = crate::os::cpu_time() {
            let name = "process_cpu_seconds_total";
            head(out, name, "counter", "CPU time, user and system.");
            let _ = writeln!(out, "{name} {}", time.as_secs_f64());
        }
        std::mem::take(out)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The position of a method among the labels.
pub fn method_index(method: &Method) -> usize {
    let name = method.as_str();
    METHODS
        .iter()
        .position(|m| *m == name)
        .unwrap_or(METHODS.len() - 1)
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Counts and sums beyond 2^53 would lose their last digits, which no reader of metrics sees.
fn to_f64(value: u64) -> f64 {
    value as f64
}
