//! What a run writes where GitHub Actions shows it: annotations, log groups, outputs, the job's summary.
//!
//! All of it is an extra: whatever is missing or cannot be written there is said in a notice, and the run goes on. The
//! commands go to standard error, which the runner reads as it reads standard output, for that is data.

mod files;
mod handover;

use std::sync::atomic::{AtomicBool, Ordering};

pub use handover::hand_over;

use files::{output, summary};

use crate::actions::{self, Level, on};
use crate::report::Text;
use crate::ui;

/// The outputs that a load test or a comparison sets for its step: a word, a path, and lines.
pub const OUTPUTS: [&str; 3] = ["verdict", "results", "regressions"];

/// Whether a verdict has been handed over already.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Shows `message` at the top of the run's page.
fn annotate(level: Level, title: &str, message: &str) {
    ui::command(&actions::annotation(level, title, message));
}

/// Log lines that are folded under a title until this is dropped.
#[derive(Debug)]
#[must_use = "the group ends when this is dropped"]
pub struct Group(());

/// Begins a group of log lines; groups do not nest.
pub fn group(title: &str) -> Option<Group> {
    on().then(|| {
        ui::command(&actions::group(title));
        Group(())
    })
}

impl Drop for Group {
    fn drop(&mut self) {
        ui::command("::endgroup::");
    }
}

/// A verdict has been handed over, so that [`hand_over_error`] need not.
fn is_told() {
    TOLD.store(true, Ordering::Relaxed);
}

/// Hands over the error that a run or a comparison ended with, unless its report has been handed over already.
pub fn hand_over_error(verdict: &str, error: &str) {
    if !on() || TOLD.load(Ordering::Relaxed) {
        return;
    }
    let words = verdict.replace('_', " ");
    let error = Text::lines(error);
    annotate(Level::Error, &words, &error);
    output("verdict", verdict);
    let quoted: String = error.lines().map(|line| format!("    {line}\n")).collect();
    summary(&format!("# ❌ {words}\n\n{quoted}"));
}
