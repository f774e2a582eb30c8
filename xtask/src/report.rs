//! What people read of a run.

#[expect(dead_code, reason = "the pages that use it come next")]
pub mod html;
mod markdown;
mod rows;
mod terminal;

pub use markdown::markdown;
pub use terminal::{announcement, one_line, terminal};
