//! Logs go to stderr, so that stdout carries nothing but the line that says where to connect.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Context;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// Starts logging as `RUST_LOG` asks, by default at level `info`. It understands levels by target,
/// such as `warn,tachikoma_server=debug`.
///
/// # Errors
/// What is wrong with `RUST_LOG`.
pub fn start() -> anyhow::Result<()> {
    let wanted = crate::variable("RUST_LOG").unwrap_or_else(|| "info".to_owned());
    let filter: Targets = wanted.parse().with_context(|| {
        format!(
            "failed to understand RUST_LOG={wanted:?}; \
             write levels by target, such as warn,tachikoma_server=debug"
        )
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .init();
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
