//! Logs go to stderr, so that stdout carries nothing but the line that says where to connect.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::cli::LogFormat;

/// Starts logging as `RUST_LOG` asks, by default at level `info`. It understands levels by target,
/// such as `warn,tachikoma_server=debug`.
///
/// # Errors
/// What is wrong with `RUST_LOG`.
pub fn start(format: LogFormat) -> Result<(), String> {
    let wanted = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.is_empty());
    let wanted = wanted.as_deref().unwrap_or("info");
    let filter: Targets = wanted.parse().map_err(|error| {
        format!(
            "failed to understand RUST_LOG={wanted:?}: {error}; \
             write levels by target, such as warn,tachikoma_server=debug"
        )
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry();
    match format {
        LogFormat::Text => {
            let lines = lines.with_ansi(std::io::stderr().is_terminal());
            registry.with(lines.with_filter(filter)).init();
        }
        LogFormat::Json => {
            registry
                .with(lines.json().flatten_event(true).with_filter(filter))
                .init();
        }
    }
    Ok(())
}

/// Time between two lines of [`Rarely`].
const PAUSE: Duration = Duration::from_secs(10);

/// Keeps an error that repeats itself from filling the log.
#[derive(Debug, Default)]
pub struct Rarely {
    last: Option<Instant>,
    held_back: u64,
}

impl Rarely {
    /// Whether a line is due, and then how many were held back since the last one.
    pub fn line(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            self.held_back += 1;
            return None;
        }
        self.last = Some(Instant::now());
        Some(std::mem::take(&mut self.held_back))
    }
}
