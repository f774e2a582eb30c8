//! A comparison's annotations, outputs and summary.

use std::path::Path;

use super::run::verdict;
use super::{Annotation, Handover, hand_over};
use crate::actions::Level;
use crate::record::Outcome;
use crate::record::{Change, Comparison};

/// What stands over each annotation of a comparison.
const TITLE: &str = "compare";

/// Hands over what came of a comparison whose results are at `folder`; nothing outside of GitHub Actions.
pub fn report_comparison(comparison: &Comparison, folder: &Path, markdown: &str) {
    hand_over(&Handover {
        verdict: verdict(comparison.outcome),
        results: folder,
        regressions: &regressions(comparison),
        annotations: annotations(comparison),
        summary: markdown,
    });
}

fn regressions(comparison: &Comparison) -> String {
    if comparison.outcome == Outcome::Failed {
        comparison.reasons.join("\n")
    } else {
        String::new()
    }
}

fn annotations(comparison: &Comparison) -> Vec<Annotation> {
    let annotation = |level, message: String| Annotation {
        level,
        title: TITLE.to_owned(),
        message,
    };
    let reasons = comparison.reasons.iter();
    let errors = reasons.map(|reason| annotation(Level::Error, reason.clone()));
    let metrics = comparison.tests.iter().flat_map(|test| {
        let metrics = test.metrics.iter();
        let doubtful = metrics.filter(|metric| metric.change == Change::NotConfirmed);
        doubtful.map(|metric| format!("{}: {}: {}", test.name, metric.metric, metric.note))
    });
    let warnings = metrics.map(|text| annotation(Level::Warning, format!("{text}, not confirmed")));
    let notices = comparison.notices.iter();
    let notices = notices.map(|notice| annotation(Level::Notice, notice.clone()));
    errors.chain(warnings).chain(notices).collect()
}
