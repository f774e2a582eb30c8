//! The one way to start and end a process.
//!
//! Every child leads a process group of its own, so that a terminal's Ctrl-C does not reach it before we decide what
//! to do, and so that its own children end with it. Whatever happens to this program, nothing stays behind: a normal
//! end drops each [`Process`], a second Ctrl-C kills all, and after a SIGKILL the guardian of `groups`
//! cleans up.

mod capture;
mod command;
mod ended;
mod groups;
pub mod interrupt;
mod lines;
pub mod lock;
pub mod logs;
mod mutex;
mod open;
mod running;
mod tail;

pub use capture::{Captured, capture, capture_anyway, output};
pub use command::{Cmd, Shell, Stream, at, cmd, here, spawn, spawn_raw, spawn_tied};
pub use ended::Ended;
pub use groups::{GUARDIAN, guard};
pub use lines::clean;
pub use mutex::locked;
pub use open::open;
pub use running::{Process, may_open};
pub use rustix::process::Signal;
pub use tail::Tail;
