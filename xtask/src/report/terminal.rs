//! Reports on a terminal.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table as Grid};

use super::chart::{position, range_of};
use super::text::Text;
use super::view::{self, Document, Row, Section, Table, Tone};
use crate::actions;
use crate::k6::{Shape, short};
use crate::record::{Blocks, Outcome, RunRecord, TestRecord};
use crate::ui::{self, BAD, BOLD, DIM, GOOD, WARN};

/// The blocks of a sparkline, from the least to the greatest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns that a table takes without its sparkline.
const OTHER_COLUMNS: usize = 96;
/// The narrowest and the widest sparkline.
const SPARK: (usize, usize) = (12, 60);

/// What is about to run, before it does.
pub fn announcement(run: &RunRecord, shapes: &[Shape]) -> String {
    let total: Duration = shapes.iter().map(Shape::duration).sum();
    let at_most: Duration = shapes.iter().map(|shape| shape.at_most).sum();
    format!(
        "running {}: {}, at most {}, with k6 {}",
        view::title(run),
        short(total),
        short(at_most),
        run.k6.version
    )
}

/// What is about to be compared.
pub fn comparison_announcement(blocks: &Blocks, tests: &[String], expected: Duration) -> String {
    format!(
        "comparing {} against {}: {}, at most {} pairs of {} s each, within about {}, with k6 {} (seed {})",
        view::side(&blocks.head),
        view::side(&blocks.base),
        tests.join(", "),
        blocks.planned,
        blocks.block_s,
        short(expected),
        blocks.k6,
        blocks.seed
    )
}

/// A test that has just ended, in one line.
pub fn one_line(test: &TestRecord) -> String {
    let tone = Tone::of(test.outcome);
    let (style, glyph) = (style(tone), tone.look().glyph);
    let reason = test
        .reasons
        .first()
        .and_then(|reason| reason.lines().next());
    let reason = reason.map_or_else(String::new, |reason| format!(": {}", Text::from(reason)));
    format!(
        "{style}{glyph} {} {}{style:#}{reason}",
        Text::from(&test.name),
        view::outcome(test.outcome)
    )
}

/// The whole report of a run or a comparison: the verdict and its reasons first, then each test, then where the results
/// are.
pub fn terminal(document: &Document, folder: &Path) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "\n{}  {}",
        headline(document.tone, &document.verdict.to_uppercase()),
        document.title
    );
    said(&mut out, Tone::Bad, &document.reasons);
    for notice in document.notices.iter().chain(&document.remarks) {
        let _ = writeln!(out, "  {WARN}notice:{WARN:#} {notice}");
    }
    for one in &document.sections {
        section(&mut out, one);
    }
    let _ = writeln!(out, "\n{DIM}{}{DIM:#}", document.line);
    let _ = writeln!(out, "results: {}", folder.display());
    if let Some(link) = &document.dashboard {
        let _ = writeln!(out, "grafana: {link}");
    }
    if actions::on() {
        out = actions::neutral(&out);
    }
    out
}

fn headline(tone: Tone, text: &str) -> String {
    let style = style(tone);
    format!("{style}{} {text}{style:#}", tone.look().glyph)
}

fn said(out: &mut String, tone: Tone, sentences: &[Text]) {
    for sentence in sentences {
        let (style, glyph) = (style(tone), tone.look().glyph);
        let _ = writeln!(
            out,
            "  {style}{glyph}{style:#} {}",
            sentence.replace('\n', "\n    ")
        );
    }
}

fn section(out: &mut String, one: &Section) {
    let words = format!("{} {}", one.name, one.verdict);
    let head = match one.outcome {
        Some(_) => headline(one.tone, words.trim_end()),
        None => one.name.to_string(),
    };
    let _ = writeln!(out, "\n{head}, {}", one.line);
    if one.outcome == Some(Outcome::NotRun) {
        return;
    }
    if one.outcome.is_none() {
        // Those of a run's tests stand above all.
        said(out, Tone::Bad, &one.reasons);
    }
    said(out, Tone::Warn, &one.notes);
    table(out, &[&one.judged, &one.measured], false);
    if !one.compared.title.is_empty() {
        let _ = writeln!(out, "  {}", one.compared.title);
    }
    table(out, &[&one.compared], one.outcome.is_none());
    one.functions.iter().for_each(|table| lines(out, table));
}

/// The rows of `table` in a line each, however long their names are.
fn lines(out: &mut String, table: &Table) {
    let heads = [table.heads.bound, table.heads.value].into_iter();
    let heads = heads.chain(table.heads.more.iter().copied());
    let heads: Vec<&str> = heads.filter(|head| !head.is_empty()).collect();
    let _ = writeln!(out, "  {}: {}", table.title, heads.join(", "));
    let cells = |row: &Row| -> Vec<String> {
        let figures = [&row.bound, &row.value].into_iter().chain(&row.more);
        let figures = figures.filter(|text| !text.is_empty());
        figures.map(ToString::to_string).collect()
    };
    let rows: Vec<(Vec<String>, &Text)> = table
        .rows
        .iter()
        .map(|row| (cells(row), &row.what))
        .collect();
    let width = |nth: usize| {
        let cells = rows.iter().filter_map(|(cells, _)| cells.get(nth));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for (cells, name) in &rows {
        let cells = cells.iter().enumerate();
        let cells: Vec<String> = cells
            .map(|(nth, cell)| format!("{cell:>0$}", width(nth)))
            .collect();
        let _ = writeln!(out, "     {}  {name}", cells.join("  "));
    }
}

/// The past: every series of comparable runs.
pub fn history(document: &Document) -> String {
    let mut out = String::new();
    for one in &document.sections {
        let _ = writeln!(out, "\n{BOLD}{}{BOLD:#}  {}", one.name, one.line);
        for note in &one.notes {
            let _ = writeln!(out, "  {note}");
        }
        table(&mut out, &[&one.compared], true);
        for note in one.charts.iter().flat_map(|chart| &chart.notes) {
            let _ = writeln!(out, "  changed: {note}");
        }
    }
    out
}

/// The rows of `tables` under common columns.
fn table(out: &mut String, tables: &[&Table], with_heads: bool) {
    let mut grid = Grid::new();
    grid.load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    grid.set_width(u16::try_from(ui::width()).unwrap_or(u16::MAX));
    for table in tables.iter().filter(|table| !table.rows.is_empty()) {
        let heads = table.heads;
        if with_heads {
            let trail = table.rows.iter().any(|row| !row.trail.is_empty());
            let trail = trail.then_some("Runs").into_iter();
            let first = [" ", heads.what].into_iter().chain(trail);
            let figures = [heads.bound, heads.value].into_iter();
            grid.add_row(first.chain(figures).chain(heads.more.iter().copied()));
        }
        for row in &table.rows {
            grid.add_row(cells(row));
        }
    }
    for line in grid.lines() {
        let _ = writeln!(out, "{}", coloured(line.trim_end()));
    }
}

fn cells(row: &Row) -> Vec<String> {
    let glyph = match row.tone {
        Tone::Plain => " ",
        tone => tone.look().glyph,
    };
    let mut cells = vec![glyph.to_owned(), row.what.to_string()];
    if !row.trail.is_empty() {
        let room = ui::width().saturating_sub(OTHER_COLUMNS);
        cells.push(sparkline(&row.trail, room.clamp(SPARK.0, SPARK.1)));
    }
    cells.push(row.bound.to_string());
    // A remark has a column of its own only behind further figures: it would take the others' room.
    if row.more.is_empty() {
        cells.push(row.found());
    } else {
        cells.push(row.value.to_string());
        cells.extend(row.more.iter().map(Text::to_string));
        cells.push(row.note.to_string());
    }
    cells
}

/// The newest values as blocks, at most `room` of them. Equal values are one low line.
fn sparkline(values: &[f64], room: usize) -> String {
    let newest = &values[values.len().saturating_sub(room)..];
    let range = range_of(newest.iter().copied());
    // Noise of a few percent must not look like mountains: the scale spans at least a fifth of the values.
    let span = (range.end - range.start).max(range.end.abs() * 0.2);
    let span = range.start..range.start + span.max(f64::MIN_POSITIVE);
    let blocks = 0.0..(BLOCKS.len() - 1) as f64;
    let block = |value: &f64| match value.is_finite() {
        true => BLOCKS[position(&span, &blocks, *value).round() as usize],
        false => ' ',
    };
    newest.iter().map(block).collect()
}

/// Colours the sign at the begin of a line; the table itself must not count escape sequences as width.
fn coloured(line: &str) -> String {
    let trimmed = line.trim_start();
    for tone in [Tone::Good, Tone::Bad, Tone::Warn, Tone::Open] {
        let (style, glyph) = (style(tone), tone.look().glyph);
        let indent = line.len() - trimmed.len();
        if let Some(rest) = trimmed.strip_prefix(glyph).filter(|_| indent == 1) {
            return format!("  {style}{glyph}{style:#}{rest}");
        }
    }
    format!(" {line}")
}

fn style(tone: Tone) -> Style {
    match tone {
        Tone::Good => GOOD,
        Tone::Bad => BAD,
        Tone::Warn => WARN,
        Tone::Open => DIM,
        Tone::Plain => Style::new(),
    }
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
