//! What people read of a run, a comparison and the past.
//!
//! A view ([`run_view`], [`comparison_view`]) says what there is to say, once; [`terminal()`], [`markdown`],
//! [`write_pages`] and [`junit()`] only lay it out.

mod chart;
mod history;
mod index;
mod junit;
mod over_time;
mod runs;
mod template;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod write;

pub use crate::shell::open;
pub use history::history;
pub use junit::junit;
pub use terminal::{Screen, announcement, comparison_announcement, one_line, terminal};
pub use text::Text;
pub use view::{Document, Tone, comparison as comparison_view, run as run_view};
pub use write::{markdown, report, write_index, write_pages};
