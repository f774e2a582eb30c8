//! What people read of a run.

pub mod html;
mod markdown;
mod open;
mod pages;
mod past_runs;
mod rows;
mod series;
mod terminal;
mod usage;

pub use markdown::markdown;
pub use open::open;
pub use pages::{report, write_index, write_run_page};
pub use terminal::{announcement, one_line, terminal};
