//! The load generator: found or installed, asked for its plan, run and followed.

pub mod install;
pub mod run;

pub use install::{FindOptions, K6, MINIMUM, command, ensure, is_missing};
pub use run::{
    Archive, Invocation, LogEntry, Options, Place, Ran, Said, Shape, Stopped, archive,
    belongs_after, inspect, short, without_values,
};
#[cfg(test)]
pub use run::{FailedAnswer, Failures};
