//! Every bound that keeps one client, or all of them together, from taking the server down.
//!
//! The doc comments are the help of the options.

use std::time::Duration;

use clap::Args;

/// Bounds on time, number and size.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Longest time from a request to its answer (503 after it)
    #[arg(long, env = "TACHIKOMA_REQUEST_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub request_timeout: Duration,
    /// Longest time to receive a request's head, and again its body (408)
    #[arg(long, env = "TACHIKOMA_READ_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub read_timeout: Duration,
    /// Longest time a connection may be idle between requests
    #[arg(long, env = "TACHIKOMA_IDLE_TIMEOUT", default_value = "75s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// Longest time a client may take to read 64 KiB of an answer, or an event
    #[arg(long, env = "TACHIKOMA_WRITE_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub write_timeout: Duration,
    /// Time for requests in flight to end when the server stops
    #[arg(long, env = "TACHIKOMA_SHUTDOWN_TIMEOUT", default_value = "10s", value_parser = duration)]
    pub shutdown_timeout: Duration,
    /// Longest time between pings to a WebSocket client; two unanswered ones close it
    #[arg(long, env = "TACHIKOMA_PING_INTERVAL", default_value = "30s", value_parser = duration)]
    pub ping_interval: Duration,
    /// Open connections; further ones get a bare 503
    #[arg(long, env = "TACHIKOMA_MAX_CONNECTIONS", default_value = "8192", value_parser = count)]
    pub max_connections: usize,
    /// Open WebSocket sessions; further ones get 503
    #[arg(long, env = "TACHIKOMA_MAX_WEBSOCKETS", default_value = "4096", value_parser = count)]
    pub max_websockets: usize,
    /// Requests being worked on at once; further ones get 503, but for health and metrics
    #[arg(long, env = "TACHIKOMA_MAX_IN_FLIGHT", default_value = "1024", value_parser = count)]
    pub max_in_flight: usize,
    // The longest valid mission fits, also if each of its characters is written as two `\uXXXX`.
    /// Bytes of a request's body (413 beyond)
    #[arg(long, env = "TACHIKOMA_MAX_BODY_BYTES", default_value = "131072", value_parser = count)]
    pub max_body_bytes: usize,
    /// Bytes of answers that are not sent yet, in all; further ones get 503
    #[arg(long, env = "TACHIKOMA_MAX_ANSWER_BYTES", default_value = "67108864", value_parser = count)]
    pub max_answer_bytes: usize,
    /// Writes, and likewise reads, that may wait for the database (503 beyond)
    #[arg(long, env = "TACHIKOMA_MAX_QUEUE", default_value = "1024", value_parser = count)]
    pub max_queue: usize,
    /// Threads that read from the database
    #[arg(long, env = "TACHIKOMA_READERS", default_value = "2", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub readers: u8,
}

impl Limits {
    /// The shortest time after which a connection can have run out of its client's patience.
    pub fn shortest_patience(&self) -> Duration {
        self.read_timeout
            .min(self.write_timeout)
            .min(self.idle_timeout)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write a number and a unit, such as 500ms, 10s or 2m"))?;
    let allowed = Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);
    if allowed.contains(&duration) {
        return Ok(duration);
    }
    Err("must be between 1ms and 24h".to_owned())
}

fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000_000) => Ok(count),
        _ => Err("must be a whole number from 1 to 1000000000".to_owned()),
    }
}
