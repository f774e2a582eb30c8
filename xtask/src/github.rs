//! What a run writes where GitHub Actions shows it: annotations, log groups, outputs, the job's summary.
//!
//! All of it is an extra: whatever is missing or cannot be written there is said in a notice, and the run goes on. The
//! commands go to standard error, which the runner reads as it reads standard output, for that is data.

mod comparison;
mod files;
mod handover;
mod run;

use std::sync::atomic::{AtomicBool, Ordering};

pub use comparison::report_comparison;
pub use run::report;

use files::{output, summary};
use handover::{Annotation, Handover, hand_over};

use crate::actions::{self, Level, on};
use crate::secret::Secret;
use crate::ui;

/// The outputs that a load test or a comparison sets for its step: a word, a path, and lines.
pub const OUTPUTS: [&str; 3] = ["verdict", "results", "regressions"];

/// Whether a verdict has been handed over already.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Shows `message` at the top of the run's page, if there is one.
pub fn annotate(level: Level, title: &str, message: &str) {
    if on() {
        ui::command(&actions::annotation(level, title, message));
    }
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

/// A verdict has been handed over, so that [`gave_up`] need not.
fn told() {
    TOLD.store(true, Ordering::Relaxed);
}

/// Says that nothing came of it, and why, unless a report has been handed over already.
pub fn gave_up(verdict: &str, why: &str) {
    if !on() || TOLD.load(Ordering::Relaxed) {
        return;
    }
    let key = std::env::var("API_KEY").unwrap_or_default();
    let why = Secret::new(key).scrub(why).into_owned();
    let words = verdict.replace('_', " ");
    annotate(Level::Error, &words, &why);
    output("verdict", verdict);
    let quoted: String = why.lines().map(|line| format!("    {line}\n")).collect();
    summary(&format!("# ❌ {words}\n\n{quoted}"));
}
