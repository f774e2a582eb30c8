//! Verdicts as glyph, word and class: colour is never the only sign.

use serde::Serialize;

use crate::record::Outcome;
use crate::report::rows::{self, Mark};

/// How an outcome is shown.
#[derive(Debug, Clone, Serialize)]
pub struct Badge {
    /// A sign.
    pub glyph: &'static str,
    /// A word.
    pub outcome: &'static str,
    /// A class of the style sheet.
    pub class: &'static str,
}

/// How `outcome` is shown.
pub fn badge(outcome: Outcome) -> Badge {
    let (glyph, class) = match outcome {
        Outcome::Passed => ("✓", "good"),
        Outcome::Failed | Outcome::CouldNotRun => ("✗", "bad"),
        Outcome::Interrupted => ("–", "warn"),
        Outcome::NotRun => ("–", "none"),
    };
    Badge {
        glyph,
        outcome: rows::outcome(outcome),
        class,
    }
}

/// Sign, class and word of a judged row.
pub fn mark(mark: Mark) -> (&'static str, &'static str, &'static str) {
    match mark {
        Mark::Passed => ("✓", "good", "kept"),
        Mark::Failed => ("✗", "bad", "not kept"),
        Mark::NotEvaluated => ("–", "none", "not evaluated"),
    }
}
