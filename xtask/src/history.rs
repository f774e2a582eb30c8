//! `history`: what past runs say, and what of them can be compared.
//!
//! The past is the lines of `history.jsonl`, which only ever grows: what cannot be read is named and left as it is.

mod accept;
mod chain;
mod confirm;
mod fence;
mod import;
mod key;
mod lines;
mod points;
mod read;
mod recent;
mod references;
#[cfg(test)]
pub mod testing;
mod view;

pub use accept::accept;
pub use chain::{AddedUp, BuildStep, Builds, Ratio};
pub use confirm::{
    Confirmation, SecondMeasurement, confirm, has_suspects, leave_open, only_show,
    withdraw_verdicts, withhold_sampled, withhold_times,
};
pub use fence::Reference;
pub use import::run as import;
pub use key::Key;
#[cfg(test)]
pub use lines::Line;
pub use lines::{Accepted, append, append_ratio, path as history_path};
pub use points::HistoryPoint;
pub use read::{Past, read};
pub use recent::{ComparablePoint, Trend, comparable_points};
pub use view::{AcceptedMark, ComparableRuns, LevelChange, Metric, runs_of};
