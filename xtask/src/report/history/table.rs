//! The history on a terminal: a table for each series, with sparklines, readable without colour.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use k6_summary::Quantity;

use super::words;
use crate::history::{Metric, Series, percent};
use crate::record::PastState;
use crate::report::text::Text;
use crate::ui::BOLD;

/// The blocks of a sparkline, from the least to the greatest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns that the table takes without the sparkline.
const OTHER_COLUMNS: usize = 84;
/// The widest and the narrowest sparkline.
const SPARK: (usize, usize) = (60, 12);

/// Every series, in a terminal of `width` columns.
pub fn table(all: &[Series], width: usize) -> String {
    let mut out = String::new();
    for series in all {
        out.push_str(&one(series, width));
    }
    out
}

fn one(series: &Series, width: usize) -> String {
    let mut out = format!("\n{BOLD}{}{BOLD:#}", Text::from(words::name(&series.key)));
    let _ = writeln!(out, "  {}", Text::from(words::place(&series.key)));
    let _ = writeln!(out, "  {}", Text::from(words::runs(series)));
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(["metric", "runs", "last", "reference", "fence", "state"]);
    let room = width.saturating_sub(OTHER_COLUMNS).clamp(SPARK.1, SPARK.0);
    for metric in &series.metrics {
        table.add_row(row(metric, room));
    }
    for line in table.lines() {
        let _ = writeln!(out, " {}", line.trim_end());
    }
    for mark in &series.accepted {
        let _ = writeln!(out, "  {}", Text::from(words::accepted(mark, series.runs)));
    }
    for metric in &series.metrics {
        for change in &metric.changes {
            let _ = writeln!(
                out,
                "  changed: {}",
                Text::from(words::change(metric, change))
            );
        }
    }
    out
}

fn row(metric: &Metric, room: usize) -> [String; 6] {
    let last = &metric.last;
    let quantity = |number: f64| Quantity::new(number, last.unit).to_string();
    let state = match last.state {
        PastState::Within => "within",
        PastState::Better => "better",
        PastState::Regression => "WORSE",
        PastState::NotConfirmed => "not confirmed",
        PastState::Shown => "shown",
        PastState::NotComparable => "no verdict",
    };
    let values: Vec<f64> = metric.points.iter().map(|point| point.value).collect();
    let change = last.change.map(|change| format!(" {}", percent(change)));
    [
        Text::from(last.metric.to_string()).to_string(),
        sparkline(&values, room),
        format!("{}{}", quantity(last.value), change.unwrap_or_default()),
        last.reference.map_or_else(|| "–".into(), quantity),
        last.fence.map_or_else(|| "–".into(), percent),
        state.to_owned(),
    ]
}

/// The newest values as blocks, at most `room` of them. Equal values are one low line.
pub fn sparkline(values: &[f64], room: usize) -> String {
    let newest = &values[values.len().saturating_sub(room)..];
    let finite = || newest.iter().copied().filter(|value| value.is_finite());
    let (least, most) = (
        finite().fold(f64::INFINITY, f64::min),
        finite().fold(f64::NEG_INFINITY, f64::max),
    );
    // Noise of a few percent must not look like mountains: the scale spans at least a fifth of the values.
    let span = (most - least).max(most.abs() * 0.2);
    let block = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let share = if span > 0.0 {
            (value - least) / span
        } else {
            0.0
        };
        let place = (share * (BLOCKS.len() - 1) as f64).round() as usize;
        BLOCKS[place.min(BLOCKS.len() - 1)]
    };
    newest.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_rise_with_the_values() {
        assert_eq!(
            sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 20),
            "▁▂▃▄▅▆▇█"
        );
        assert_eq!(sparkline(&[1.0, 2.0, 9.0, 1.0], 2), "█▁");
        assert_eq!(sparkline(&[3.0; 4], 9), "▁▁▁▁");
        assert_eq!(sparkline(&[0.0; 2], 9), "▁▁");
        assert_eq!(sparkline(&[100.0, 102.0], 9), "▁▂");
        assert_eq!(sparkline(&[1.0, f64::NAN], 9), "▁ ");
        assert_eq!(sparkline(&[], 9), "");
    }
}
