//! Every bound that keeps one client, or all of them together, from taking the server down.

use std::time::Duration;

/// The limits of a running server. Each has an option of the same name, see `--help`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest time from a request's head to its answer; 503 after it.
    pub request_timeout: Duration,
    /// Longest time for a client to send a request's head, and again its body (408).
    pub read_timeout: Duration,
    /// Longest time for which a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// Longest time for which a client may leave an answer or event unread.
    pub write_timeout: Duration,
    /// Time for requests in flight to end once the server has been told to stop.
    pub shutdown_timeout: Duration,
    /// Time between pings to a silent WebSocket client; it is closed after two without an answer.
    pub ping_interval: Duration,
    /// Open connections; further ones get a bare 503.
    pub max_connections: usize,
    /// Open WebSocket sessions; further ones get 503.
    pub max_websockets: usize,
    /// Requests being worked on; further ones get 503. Health and metrics are exempt.
    pub max_in_flight: usize,
    /// Bytes of a request's body; 413 beyond. The longest valid mission fits, also if each of its
    /// characters is written as two `\uXXXX` escapes.
    pub max_body_bytes: usize,
    /// Bytes of a request's head; 431 beyond.
    pub max_head_bytes: usize,
    /// Writes, and likewise reads, that may wait for the database; 503 beyond.
    pub max_queue: usize,
}

impl Limits {
    /// The shortest time after which a connection can have run out of its client's patience.
    pub fn shortest_patience(&self) -> Duration {
        self.read_timeout
            .min(self.write_timeout)
            .min(self.idle_timeout)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(10),
            shutdown_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            max_connections: 8192,
            max_websockets: 4096,
            max_in_flight: 1024,
            max_body_bytes: 128 * 1024,
            max_head_bytes: 32 * 1024,
            max_queue: 1024,
        }
    }
}
