//! What people read of a run.

mod beside;
mod comparison;
mod junit;
mod markdown;
mod past;
mod rows;
mod terminal;
#[cfg(test)]
mod tests;

pub use beside::sentence as past_sentence;
pub use comparison::{comparison_announcement, comparison_markdown, comparison_terminal};
pub use junit::junit;
pub use markdown::markdown;
pub use terminal::{announcement, one_line, terminal};
