//! What people read of a run.

mod beside;
mod comparison;
pub mod html;
mod junit;
mod markdown;
mod pages;
mod past;
mod past_runs;
mod rows;
mod series;
mod terminal;
#[cfg(test)]
mod tests;
mod usage;

pub use crate::shell::open;
pub use beside::sentence as past_sentence;
pub use comparison::{comparison_announcement, comparison_markdown, comparison_terminal};
pub use html::{comparison_page, history_page};
pub use junit::{comparison_junit, junit};
pub use markdown::markdown;
pub use pages::{report, write_index, write_run_page};
pub use terminal::{announcement, one_line, terminal};
