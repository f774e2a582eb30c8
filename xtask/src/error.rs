//! Errors that have an exit code of their own.

/// The command line is wrong in a way that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// The exit code for a wrong command line.
pub const USAGE: u8 = 2;
/// The exit code for a run that could not be made, or whose results could not be kept.
pub const COULD_NOT_RUN: u8 = 3;
