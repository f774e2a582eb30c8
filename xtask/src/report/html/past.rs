//! A test's numbers beside those of its past.

use k6_summary::Quantity;
use load_charts::BoundBar;
use minijinja::Value;
use serde::Serialize;

use super::run::nothing;
use super::safe;
use crate::record::{PastRecord, PastRow, PastState};

/// What the page shows of the past.
#[derive(Serialize)]
pub struct PastPart {
    have: usize,
    need: usize,
    note: String,
    rows: Vec<Line>,
}

/// One metric.
#[derive(Serialize)]
pub struct Line {
    glyph: &'static str,
    class: &'static str,
    metric: String,
    value: String,
    reference: String,
    change: String,
    fence: String,
    bar: Value,
    verdict: String,
}

/// What the page shows of `past`.
pub fn part(past: &PastRecord) -> PastPart {
    PastPart {
        have: past.have,
        need: past.need,
        note: past.note.clone(),
        rows: past
            .metrics
            .iter()
            .map(|row| line(row, "worse, and so when measured once more"))
            .collect(),
    }
}

/// A row of the table. `worse` says what a regression is: whether it was measured once more depends on who shows it.
pub fn line(row: &PastRow, worse: &'static str) -> Line {
    let (glyph, class, words) = match row.state {
        PastState::Within => ("✓", "good", "within the noise of the past"),
        PastState::Better => ("✓", "good", "better"),
        PastState::Regression => ("✗", "bad", worse),
        PastState::NotConfirmed => ("–", "none", "worse at first, not when measured once more"),
        PastState::Shown => ("–", "none", "shown without a verdict"),
        PastState::NotComparable => ("–", "none", "no verdict"),
    };
    let verdict = if row.note.is_empty() {
        words.to_owned()
    } else {
        format!("{words}: {}", row.note)
    };
    let quantity = |number| Quantity::new(number, row.unit).to_string();
    let change = row
        .change
        .map_or_else(|| "–".to_owned(), |it| format!("{:+.1} %", it * 100.0));
    let fence = row
        .fence
        .map_or_else(|| "–".to_owned(), |it| format!("±{:.1} %", it * 100.0));
    let bar = row.change.zip(row.fence).map(|(moved, bound)| {
        let ok = match row.state {
            PastState::Within | PastState::Better => Some(true),
            PastState::Regression => Some(false),
            PastState::NotConfirmed | PastState::Shown | PastState::NotComparable => None,
        };
        let label = format!("{}: change {change}, fence {fence}, {words}", row.metric);
        safe(
            BoundBar {
                label: &label,
                value: moved.abs(),
                bound,
                ok,
            }
            .svg(),
        )
    });
    Line {
        glyph,
        class,
        metric: row.metric.to_string(),
        value: quantity(row.value),
        reference: row.reference.map_or_else(|| "–".to_owned(), quantity),
        bar: bar.unwrap_or_else(nothing),
        change,
        fence,
        verdict,
    }
}
