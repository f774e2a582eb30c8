//! What the tests share: a router without a socket, and a server as a process.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::disallowed_methods,
    clippy::allow_attributes,
    reason = "each test binary uses its own part of this, so an expectation would not hold in all; \
              every process here ends with its guard"
)]

mod app;
mod client;
mod process;

pub use app::{Answer, TestApp};
pub use client::{MISSION, Response, exchange, metric, request, status};
pub use process::{Server, ServerBuilder, eventually};

/// The key of every server under test.
pub const KEY: &str = "test-key-0123";

/// A folder that is gone afterwards.
pub fn tempdir() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}
