//! A comparison on a terminal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::rows;
use crate::k6::short;
use crate::record::Outcome;
use crate::record::{Blocks, Change, Comparison, TestComparison};
use crate::ui::{self, BAD, DIM, GOOD, WARN};

/// What is about to be measured.
pub fn comparison_announcement(blocks: &Blocks, tests: &[String], expected: Duration) -> String {
    format!(
        "comparing {} against {}: {}, {} pairs each of {} s blocks with {} virtual users, about {}, with k6 {} (seed {})",
        rows::side(&blocks.head),
        rows::side(&blocks.base),
        tests.join(", "),
        blocks.pairs,
        blocks.block_s,
        blocks.vus,
        short(expected),
        blocks.k6,
        blocks.seed
    )
}

/// The whole report: the verdict and its reasons first, then a table for each test.
pub fn comparison_terminal(comparison: &Comparison, folder: &Path) -> String {
    let mut out = String::new();
    let (glyph, style) = match comparison.outcome {
        Outcome::Passed => ("✓", GOOD),
        Outcome::Failed | Outcome::CouldNotRun => ("✗", BAD),
        Outcome::Interrupted | Outcome::NotRun => ("–", WARN),
    };
    let _ = writeln!(
        out,
        "\n{style}{glyph} {}{style:#}  {}",
        rows::outcome(comparison),
        rows::sides(comparison)
    );
    for reason in &comparison.reasons {
        let _ = writeln!(out, "  {BAD}✗{BAD:#} {reason}");
    }
    for notice in &comparison.notices {
        let _ = writeln!(out, "  {WARN}notice:{WARN:#} {notice}");
    }
    for test in &comparison.tests {
        out.push_str(&one_test(test));
    }
    for (index, line) in rows::calibration(comparison).iter().enumerate() {
        let _ = writeln!(out, "{}{line}", if index == 0 { "\n" } else { "" });
    }
    let _ = writeln!(out, "\n{DIM}{}{DIM:#}", rows::method(comparison));
    let _ = writeln!(out, "results: {}", folder.display());
    out
}

fn one_test(test: &TestComparison) -> String {
    let mut out = format!("\n{}, {} pairs\n", test.name, test.pairs);
    for failure in &test.worse_failures {
        let _ = writeln!(out, "  {BAD}✗{BAD:#} {failure}");
    }
    for failure in &test.in_both {
        let _ = writeln!(out, "  {WARN}–{WARN:#} {failure}");
    }
    if test.metrics.is_empty() {
        return out;
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(ui::width()).unwrap_or(u16::MAX));
    let heads = rows::HEADS.map(str::to_owned).into_iter();
    table.add_row(
        [" ".to_owned()]
            .into_iter()
            .chain(heads)
            .chain([String::new()]),
    );
    for metric in &test.metrics {
        let glyph = match metric.change {
            Change::Regression => "✗",
            Change::Improvement => "✓",
            Change::Unchanged => "·",
            Change::NotConfirmed | Change::NotJudged => "–",
        };
        let cells = rows::cells(metric).into_iter();
        table.add_row(
            [glyph.to_owned()]
                .into_iter()
                .chain(cells)
                .chain([rows::verdict(metric)]),
        );
    }
    for line in table.lines() {
        let _ = writeln!(out, "{}", super::super::terminal::coloured(line.trim_end()));
    }
    out
}
