//! Faults on purpose, to prove that load tests find what they should.
//!
//! Only in builds with the cargo feature `faults`, which no release has, and only if the
//! environment says so twice: [`crate::config::FAULTS_VARIABLE`] says what to inject, and
//! [`ALLOW_VARIABLE`] that this is meant.

mod inject;
mod parse;
mod units;

pub use inject::{DropConnection, Faults, inject};
pub use parse::{Fault, FaultError, RouteFaults, parse};

/// Must be `1` for any fault to be injected.
pub const ALLOW_VARIABLE: &str = "TACHIKOMA_ALLOW_FAULTS";
