//! What people read of a run.

mod comparison;
mod markdown;
mod past;
mod rows;
mod terminal;

pub use comparison::{comparison_announcement, comparison_markdown, comparison_terminal};
pub use markdown::markdown;
pub use terminal::{announcement, one_line, terminal};
