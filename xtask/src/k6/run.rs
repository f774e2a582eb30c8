//! Asking k6 for the load of a test, running the test, and following what k6 says meanwhile.

mod environment;
mod invoke;
mod progress;
mod shape;

pub use environment::interfering;
pub use invoke::{Invocation, Ran, Stopped};
pub use shape::{Shape, inspect, short};
