//! What people read of a comparison: announced, on a terminal, as Markdown.

mod markdown;
pub(super) mod rows;
mod terminal;

pub use markdown::comparison_markdown;
pub(super) use rows::verdict;
pub use terminal::{comparison_announcement, comparison_terminal};
