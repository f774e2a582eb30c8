//! What people read of a run.

mod junit;
mod markdown;
mod past;
mod rows;
mod terminal;
#[cfg(test)]
mod tests;

pub use junit::junit;
pub use markdown::markdown;
pub use past::sentence as past_sentence;
pub use terminal::{announcement, one_line, terminal};
