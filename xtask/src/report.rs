//! What people read of a run.

mod comparison;
pub mod html;
mod markdown;
mod open;
mod pages;
mod past;
mod past_runs;
mod rows;
mod series;
mod terminal;
mod usage;

pub use comparison::{comparison_announcement, comparison_markdown, comparison_terminal};
pub use html::comparison_page;
pub use markdown::markdown;
pub use open::open;
pub use pages::{report, write_index, write_run_page};
pub use terminal::{announcement, one_line, terminal};
