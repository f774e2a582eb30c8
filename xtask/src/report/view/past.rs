//! A test's numbers against those of comparable past runs.

use super::{Heads, Row, Table, Tone, amount, known};
use crate::history::Metric;
use crate::record::{PastRecord, PastRow, PastState, percent};

const HEADS: Heads = Heads {
    what: "Compared with past runs",
    value: "Now",
    bound: "Before and fence",
    more: &["Change"],
};

/// The table of a test's past: what is said of all metrics together, and a row for each that has a past.
pub fn table(past: &PastRecord) -> Table {
    let have = match past.have {
        have if have < past.need => None,
        have => Some(format!("{have} comparable runs")),
    };
    let note = Some(past.note.clone()).filter(|note| !note.is_empty());
    let said: Vec<String> = have.into_iter().chain(note).collect();
    let known = |row: &&PastRow| row.reference.is_some() || row.state == PastState::NotComparable;
    Table {
        title: format!("Compared with past runs: {}", said.join("; ")).into(),
        heads: HEADS,
        rows: past
            .metrics
            .iter()
            .filter(known)
            .map(|metric| row(metric, "worse, and worse again when measured once more"))
            .collect(),
        hint: "Before is the median of the last comparable runs; the fence is the noise of their past, and the bar the change within it.",
        ..Table::default()
    }
}

/// The newest run of a series, which was not measured once more for it, with every run's value behind its row.
pub fn newest(metrics: &[Metric]) -> Table {
    let row = |metric: &Metric| Row {
        trail: metric.points.iter().map(|point| point.value).collect(),
        ..row(&metric.last, "beyond its fence")
    };
    Table {
        title: "The newest run".into(),
        heads: Heads {
            what: "Metric",
            ..HEADS
        },
        rows: metrics.iter().map(row).collect(),
        ..Table::default()
    }
}

/// One metric. `worse` says what a regression is.
fn row(metric: &PastRow, worse: &str) -> Row {
    let quantity = |number| amount(&metric.metric, number);
    let (tone, words) = match metric.state {
        PastState::Within => (Tone::Good, "within the noise of the past"),
        PastState::Better => (Tone::Good, "better than its past"),
        PastState::Regression => (Tone::Bad, worse),
        PastState::NotConfirmed => (Tone::Warn, "worse at first, not when measured once more"),
        PastState::Shown => (Tone::Open, "shown without a verdict"),
        PastState::NotComparable => (Tone::Open, "no verdict"),
    };
    let note = match metric.note.as_str() {
        "" => words.to_owned(),
        note => format!("{words}: {note}"),
    };
    let fence = metric
        .fence
        .map(|fence| format!(" ±{:.1} %", fence * 100.0))
        .unwrap_or_default();
    Row {
        tone,
        what: metric.metric.to_string().into(),
        value: quantity(metric.value).into(),
        bound: metric
            .reference
            .map(|before| quantity(before) + &fence)
            .unwrap_or_default()
            .into(),
        more: vec![known(metric.change.map(percent))],
        note: note.into(),
        ..Row::default()
    }
    .with_bar(metric.change.map(f64::abs), metric.fence)
}
