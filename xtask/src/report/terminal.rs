//! Reports on a terminal.

mod grid;
mod plot;
mod screen;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anstyle::Style;

use super::text::Text;
use super::view::{self, Document, Row, Section, Table, Tone};
use crate::actions;
use crate::k6::{Shape, short};
use crate::record::{Blocks, Outcome, RunRecord, TestRecord, share};
use crate::ui::{self, BAD, BOLD, DIM, GOOD, WARN};

use grid::table;
use plot::plot;
pub use screen::Screen;

/// What is about to run, before it does.
pub fn announcement(run: &RunRecord, shapes: &[Shape]) -> String {
    let total: Duration = shapes.iter().map(Shape::lasts).sum();
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
    let (tests, each, within) = match &blocks.capacity {
        Some(asked) => (
            format!(
                "how many {} {} can take",
                asked.unit.words(),
                tests.join(", ")
            ),
            format!("searches to {}", share(asked.resolution)),
            Duration::from_secs_f64(asked.budget_s),
        ),
        None => (
            tests.join(", "),
            format!("{} s each", blocks.block_s),
            expected,
        ),
    };
    format!(
        "comparing {} against {}: {tests}, at most {} pairs of {each}, within about {}, with k6 {} (seed {})",
        view::side(&blocks.head),
        view::side(&blocks.base),
        blocks.planned,
        short(within),
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

/// The end of a run or a comparison: each test in a line, those that failed with what failed of them; the verdict with
/// its reasons; and where the page is. When everything is asked for, each test is there with all of its tables.
pub fn terminal(document: &Document, folder: &Path, screen: Screen) -> String {
    let mut out = String::from("\n");
    let sections = document.sections.iter();
    let widest = |text: fn(&Section) -> &Text| {
        let all = document.sections.iter();
        all.map(|one| text(one).chars().count()).max().unwrap_or(0)
    };
    let widths = (widest(|one| &one.name), widest(|one| &one.verdict));
    sections.for_each(|one| match screen.is_verbose {
        true => section(&mut out, one, screen),
        false => outline(&mut out, one, widths, screen),
    });
    if !document.sections.is_empty() {
        out.push('\n');
    }
    let verdict = document.verdict.to_uppercase();
    let head = |out: &mut String, text: &str| {
        let (style, glyph) = (style(document.tone), document.tone.look().glyph);
        let plain = format!("{glyph} {verdict}  ");
        let styled = format!("{style}{glyph} {verdict}{style:#}  ");
        said(out, screen, (&plain, &styled), text);
    };
    match document.reasons.split_first() {
        Some((worst, others)) => {
            head(&mut out, worst);
            signed(&mut out, screen, document.tone, others);
            plain(&mut out, screen, &document.title);
        }
        None => head(&mut out, &document.title),
    }
    for notice in document.notices.iter().chain(&document.remarks) {
        let styled = format!("  {WARN}notice:{WARN:#} ");
        said(&mut out, screen, ("  notice: ", &styled), notice);
    }
    plain(&mut out, screen, &document.line);
    let page = folder.join("report.html");
    let _ = writeln!(out, "  report: {}", screen.link(&page));
    if let Some(link) = &document.dashboard {
        let _ = writeln!(out, "  grafana: {link}");
    }
    if actions::on() {
        out = actions::neutral(&out);
    }
    out
}

/// A line that matters less.
fn plain(out: &mut String, screen: Screen, text: &str) {
    said(out, screen, ("  ", &format!("  {DIM}")), text);
    out.pop();
    let _ = writeln!(out, "{DIM:#}");
}

/// Sentences with the sign of `tone`.
fn signed(out: &mut String, screen: Screen, tone: Tone, sentences: &[Text]) {
    let (style, glyph) = (style(tone), tone.look().glyph);
    let begin = (format!("  {glyph} "), format!("  {style}{glyph}{style:#} "));
    for sentence in sentences {
        said(out, screen, (&begin.0, &begin.1), sentence);
    }
}

/// Writes `text` behind `begin`, which is there without and with its colours; it goes on below its own first word, and
/// no word is broken. Lines that the text has itself stay apart.
fn said(out: &mut String, screen: Screen, begin: (&str, &str), text: &str) {
    let used = begin.0.chars().count();
    let width = screen.width.unwrap_or(usize::MAX);
    let text = ui::wrap(text, used, (used.min(4), used.min(4)), width);
    out.push_str(begin.1);
    if text.is_empty() || text.starts_with('\n') {
        out.truncate(out.trim_end_matches(' ').len());
    }
    out.push_str(&text);
    out.push('\n');
}

/// A test in a line, and what failed of it.
fn outline(out: &mut String, one: &Section, widths: (usize, usize), screen: Screen) {
    let rows = || one.judged.rows.iter().chain(&one.compared.rows);
    // Of a comparison's test its rows are the verdict.
    let tone = match one.outcome {
        Some(_) => one.tone,
        None => rows().map(|row| row.tone).min().unwrap_or_default(),
    };
    let (style, glyph) = (style(tone), tone.look().glyph);
    let (name, verdict) = match one.brief.is_empty() {
        true => (widths.0, 0),
        false => widths,
    };
    let words = format!("{glyph} {:name$} {:verdict$}", one.name, one.verdict);
    let styled = format!("{style}{words}{style:#} ");
    said(out, screen, (&format!("{words} "), &styled), &one.brief);
    curve(out, one, screen);
    let failed: Vec<Text> = rows()
        .filter(|row| row.tone == Tone::Bad)
        .map(|row| Text::from(row.sentence()))
        .collect();
    signed(out, screen, Tone::Bad, &failed);
    failing_endpoints(out, one, screen);
    if !one.runners.rows.is_empty() {
        plain(out, screen, &one.runners.title);
    }
    lost_runners(out, one, screen);
    one.functions
        .iter()
        .for_each(|table| lines(out, table, screen));
}

/// What loads came to, drawn and as a table, and what is to be said of it.
fn curve(out: &mut String, one: &Section, screen: Screen) {
    if one.curve.rows.is_empty() {
        return;
    }
    signed(out, screen, Tone::Warn, &one.notes);
    out.push('\n');
    for (chart, line) in one.charts.iter().zip(["p95", "requests"]) {
        plot(out, chart, line, screen);
    }
    table(out, &[&one.curve], true, screen);
    plain(out, screen, &one.line);
}

/// The endpoints for which a test failed, each with an answer.
fn failing_endpoints(out: &mut String, one: &Section, screen: Screen) {
    let rows = one.endpoints.rows.iter();
    let rows = rows.filter(|row| row.tone == Tone::Bad).map(|row| {
        let joint = if row.note.starts_with("since ") {
            " "
        } else {
            "; "
        };
        Text::from(format!(
            "{}: {} failed{joint}{}",
            row.what, row.value, row.note
        ))
    });
    signed(out, screen, Tone::Bad, &rows.collect::<Vec<_>>());
}

/// The runners that did not do their part.
fn lost_runners(out: &mut String, one: &Section, screen: Screen) {
    let rows = one.runners.rows.iter();
    let rows = rows.filter(|row| row.tone == Tone::Bad && !row.note.is_empty());
    let rows = rows.map(|row| Text::from(format!("{}: {}", row.what, row.note)));
    signed(out, screen, Tone::Bad, &rows.collect::<Vec<_>>());
}

fn section(out: &mut String, one: &Section, screen: Screen) {
    let words = format!("{} {}", one.name, one.verdict);
    let (style, glyph) = (style(one.tone), one.tone.look().glyph);
    let head = match one.outcome {
        Some(_) => format!("{style}{glyph} {}{style:#}", words.trim_end()),
        None => one.name.to_string(),
    };
    let _ = writeln!(out, "{head}, {}", one.line);
    if one.outcome == Some(Outcome::NotRun) {
        return;
    }
    if one.outcome.is_none() {
        // Those of a run's tests stand below all.
        signed(out, screen, Tone::Bad, &one.reasons);
    }
    match one.curve.rows.is_empty() {
        true => signed(out, screen, Tone::Warn, &one.notes),
        false => curve(out, one, screen),
    }
    table(out, &[&one.judged, &one.measured], false, screen);
    let without_notes = |it: &Table| {
        let mut table = it.clone();
        for row in &mut table.rows {
            // An answer is too long for a cell, and stands below.
            row.note = Text::default();
        }
        table
    };
    table(out, &[&without_notes(&one.endpoints)], true, screen);
    failing_endpoints(out, one, screen);
    if !one.runners.rows.is_empty() {
        plain(out, screen, &one.runners.title);
        table(out, &[&without_notes(&one.runners)], true, screen);
        lost_runners(out, one, screen);
    }
    if !one.compared.title.is_empty() {
        said(out, screen, ("  ", "  "), &one.compared.title);
    }
    table(out, &[&one.compared], one.outcome.is_none(), screen);
    one.functions
        .iter()
        .for_each(|table| lines(out, table, screen));
    out.push('\n');
}

/// The rows of `table` in a line each, however long their names are.
fn lines(out: &mut String, table: &Table, screen: Screen) {
    let heads = [table.heads.bound, table.heads.value].into_iter();
    let heads = heads.chain(table.heads.more.iter().copied());
    let heads: Vec<&str> = heads.filter(|head| !head.is_empty()).collect();
    let title = format!("{}: {}", table.title, heads.join(", "));
    said(out, screen, ("  ", "  "), &title);
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
        let begin = format!("     {}  ", cells.join("  "));
        said(out, screen, (&begin, &begin), name);
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
        table(&mut out, &[&one.compared], true, Screen::of_stdout(true));
        for note in one.charts.iter().flat_map(|chart| &chart.notes) {
            let _ = writeln!(out, "  changed: {note}");
        }
    }
    out
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
