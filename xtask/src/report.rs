//! What people read of a run.

mod markdown;
mod past;
mod rows;
mod terminal;

pub use markdown::markdown;
pub use terminal::{announcement, one_line, terminal};
