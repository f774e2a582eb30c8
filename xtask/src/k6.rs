//! The load generator: found or installed, asked for its plan, run and followed.

pub mod install;
pub mod run;

pub use install::{FindOptions, K6, command, ensure, is_missing};
#[cfg(test)]
pub use run::{FailedAnswer, Failures};
pub use run::{
    Invocation, Options, Place, Ran, Said, Shape, Stopped, belongs_behind, inspect, short,
    without_values,
};
