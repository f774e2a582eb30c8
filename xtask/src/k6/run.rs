//! Asking k6 for the load of a test, running the test, and following what k6 says meanwhile.

mod archive;
mod duration;
mod generator;
mod invoke;
mod live;
mod log;
mod options;
mod progress;
mod relay;
mod scenario;
mod shape;
mod table;
mod threshold;

pub use archive::{Archive, archive};
pub use duration::short;
pub use invoke::{Invocation, Ran, Stopped};
#[cfg(test)]
pub use log::{FailedAnswer, Failures};
pub use log::{LogEntry, Said};
pub use options::{Options, belongs_after, without_values};
pub use progress::Place;
pub use shape::{Shape, inspect};
