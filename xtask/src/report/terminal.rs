//! The report on a terminal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

use super::past;
use super::rows::{self, Mark};
use crate::k6::{Shape, short};
use crate::record::{Outcome, RunRecord, TestRecord};
use crate::ui::{self, BAD, DIM, GOOD, WARN};

/// What is about to run, before it does.
pub fn announcement(run: &RunRecord, shapes: &[Shape]) -> String {
    let total: Duration = shapes.iter().map(Shape::duration).sum();
    let at_most: Duration = shapes.iter().map(|shape| shape.at_most).sum();
    format!(
        "running {}: {}, at most {}, with k6 {}",
        rows::title(run),
        short(total),
        short(at_most),
        run.k6.version
    )
}

/// A test that has just ended, in one line.
pub fn one_line(test: &TestRecord) -> String {
    let (glyph, style) = glyph_of(test.outcome);
    let first = test
        .reasons
        .first()
        .map(|reason| format!(": {}", first_line(reason)))
        .unwrap_or_default();
    format!(
        "{style}{glyph} {} {}{style:#}{first}",
        test.name,
        rows::outcome(test.outcome)
    )
}

/// The whole report: the verdict and its reasons first, then a table for each test, then where the results are.
pub fn terminal(run: &RunRecord, folder: &Path) -> String {
    let mut out = String::new();
    let (glyph, style) = glyph_of(run.outcome);
    let verdict = rows::outcome(run.outcome).to_uppercase();
    let _ = writeln!(
        out,
        "\n{style}{glyph} {verdict}{style:#}  {}",
        rows::title(run)
    );
    for reason in &run.reasons {
        let _ = writeln!(out, "  {BAD}✗{BAD:#} {reason}");
    }
    for test in &run.tests {
        out.push_str(&one_table(test));
    }
    let _ = writeln!(out, "\nresults: {}", folder.display());
    if let Some(link) = &run.dashboard {
        let _ = writeln!(out, "grafana: {link}");
    }
    out
}

fn one_table(test: &TestRecord) -> String {
    let (glyph, style) = glyph_of(test.outcome);
    let took = test
        .duration_s
        .map(|s| format!(", {}", short(Duration::from_secs_f64(s))))
        .unwrap_or_default();
    let mut out = format!(
        "\n{style}{glyph} {}{style:#} {}{took}\n",
        test.name,
        rows::outcome(test.outcome)
    );
    if test.outcome == Outcome::NotRun {
        return out;
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(ui::width()).unwrap_or(u16::MAX));
    for row in rows::judged(test) {
        table.add_row([
            glyph_for(row.mark).to_owned(),
            row.what,
            row.bound,
            row.value,
        ]);
    }
    for (what, value) in rows::measured(test) {
        table.add_row([" ".to_owned(), what.to_owned(), String::new(), value]);
    }
    if let Some(beside) = &test.past {
        table.add_row([
            " ".to_owned(),
            "beside the past".to_owned(),
            String::new(),
            past::heading(beside),
        ]);
        for row in past::rows(beside) {
            table.add_row([
                glyph_for(row.mark).to_owned(),
                row.what,
                row.bound,
                row.value,
            ]);
        }
    }
    for line in table.lines() {
        let _ = writeln!(out, "{}", coloured(line.trim_end()));
    }
    out
}

/// Colours the mark at the begin of a line; the table itself must not count escape sequences as width.
pub(super) fn coloured(line: &str) -> String {
    let trimmed = line.trim_start();
    for (glyph, style) in [("✓", GOOD), ("✗", BAD), ("–", WARN)] {
        if let Some(rest) = trimmed.strip_prefix(glyph) {
            return format!("  {style}{glyph}{style:#}{rest}");
        }
    }
    format!(" {line}")
}

fn glyph_for(mark: Mark) -> &'static str {
    match mark {
        Mark::Passed => "✓",
        Mark::Failed => "✗",
        Mark::NotEvaluated => "–",
    }
}

fn glyph_of(outcome: Outcome) -> (&'static str, Style) {
    match outcome {
        Outcome::Passed => ("✓", GOOD),
        Outcome::Failed | Outcome::CouldNotRun => ("✗", BAD),
        Outcome::Interrupted => ("–", WARN),
        Outcome::NotRun => ("–", DIM),
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or(text)
}
