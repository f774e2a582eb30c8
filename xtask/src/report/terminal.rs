//! Reports on a terminal.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anstyle::Style;
use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, Width};

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

/// What a report is laid out for.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Its columns; none if it is no terminal, where lines are as long as they are.
    pub width: Option<usize>,
    /// Whether everything is said, else what a page need not be opened for.
    pub is_verbose: bool,
    /// Whether it is known to take links.
    pub takes_links: bool,
}

impl Screen {
    /// Standard output as it is.
    pub fn of_stdout(is_verbose: bool) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self {
            width: is_terminal.then(ui::width),
            is_verbose,
            takes_links: is_terminal && takes_links(|name| std::env::var(name).ok()),
        }
    }

    fn columns(self) -> usize {
        self.width.unwrap_or_else(ui::width)
    }
}

/// Whether the terminal that these variables are of shows links (OSC 8): those that say who they are, and do.
///
/// Source: <https://github.com/Alhadis/OSC8-Adoption>.
fn takes_links(variable: impl Fn(&str) -> Option<String>) -> bool {
    const PROGRAMS: [&str; 7] = [
        "iTerm.app",
        "WezTerm",
        "vscode",
        "ghostty",
        "Hyper",
        "Tabby",
        "rio",
    ];
    const TERMS: [&str; 4] = ["xterm-kitty", "xterm-ghostty", "alacritty", "foot"];
    let is = |name: &str, known: &[&str]| {
        variable(name).is_some_and(|value| known.contains(&value.as_str()))
    };
    let vte = variable("VTE_VERSION").and_then(|version| version.parse::<u32>().ok());
    // What runs within another screen has that one's variables and not its abilities.
    let within = ["TMUX", "STY"].iter().any(|name| variable(name).is_some());
    !within
        && (is("TERM_PROGRAM", &PROGRAMS)
            || is("TERM", &TERMS)
            || vte.is_some_and(|version| version >= 5000)
            || variable("WT_SESSION").is_some()
            || variable("KONSOLE_VERSION").is_some())
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
    let _ = writeln!(out, "  report: {}", link(&page, screen));
    if let Some(link) = &document.dashboard {
        let _ = writeln!(out, "  grafana: {link}");
    }
    if actions::on() {
        out = actions::neutral(&out);
    }
    out
}

/// A path as a link where that is understood. Its text is the path, so that nothing is lost elsewhere.
fn link(path: &Path, screen: Screen) -> String {
    let url = std::path::absolute(path).ok();
    let url = url.and_then(|path| reqwest::Url::from_file_path(path).ok());
    match url.filter(|_| screen.takes_links) {
        Some(url) => format!("\x1b]8;;{url}\x1b\\{}\x1b]8;;\x1b\\", path.display()),
        None => path.display().to_string(),
    }
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
    let indent = " ".repeat(begin.0.chars().count().min(4));
    let mut column = begin.0.chars().count();
    out.push_str(begin.1);
    for (nth, line) in text.lines().enumerate() {
        if nth > 0 {
            let _ = write!(out, "\n{indent}");
            column = indent.len();
        }
        let own = line.len() - line.trim_start().len();
        out.push_str(&line[..own]);
        column += own;
        let mut space = "";
        for word in words(line) {
            let length = word.chars().count();
            let ends = column + space.len() + length;
            if column > indent.len() && screen.width.is_some_and(|width| ends > width) {
                out.truncate(out.trim_end_matches(' ').len());
                let _ = write!(out, "\n{indent}{word}");
                column = indent.len() + length;
            } else {
                let _ = write!(out, "{space}{word}");
                column = ends;
            }
            space = " ";
        }
    }
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
}

/// The words of a line, each number with the unit behind it.
fn words(line: &str) -> Vec<String> {
    const UNITS: [&str; 7] = ["%", "ms", "s", "µs", "kB", "MB", "MiB"];
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', ')', ']', ':']));
        match words.last_mut().filter(|_| is_unit) {
            Some(number) => *number += &format!(" {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
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
    let failed: Vec<Text> = rows()
        .filter(|row| row.tone == Tone::Bad)
        .map(|row| Text::from(row.sentence()))
        .collect();
    signed(out, screen, Tone::Bad, &failed);
    failing_endpoints(out, one, screen);
    one.functions
        .iter()
        .for_each(|table| lines(out, table, screen));
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
    signed(out, screen, Tone::Warn, &one.notes);
    table(out, &[&one.judged, &one.measured], false, screen);
    let mut endpoints = one.endpoints.clone();
    for row in &mut endpoints.rows {
        // An answer is too long for a cell, and stands below.
        row.note = Text::default();
    }
    table(out, &[&endpoints], true, screen);
    failing_endpoints(out, one, screen);
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

/// The rows of `tables` under common columns; where no word would fit, each row as a sentence.
fn table(out: &mut String, tables: &[&Table], with_heads: bool, screen: Screen) {
    let columns = screen.columns();
    let tables = || tables.iter().filter(|table| !table.rows.is_empty());
    let mut lines: Vec<Vec<String>> = Vec::new();
    for table in tables() {
        let heads = table.heads;
        if with_heads {
            let trail = table.rows.iter().any(|row| !row.trail.is_empty());
            let trail = trail.then_some("Runs").into_iter();
            let first = [" ", heads.what].into_iter().chain(trail);
            let figures = [heads.bound, heads.value].into_iter();
            let heads = first.chain(figures).chain(heads.more.iter().copied());
            lines.push(heads.map(str::to_owned).collect());
        }
        lines.extend(table.rows.iter().map(|row| cells(row, columns)));
    }
    let longest_word = |nth: usize| {
        let words = lines.iter().filter_map(|line| line.get(nth));
        let words = words.flat_map(|cell| cell.split_whitespace());
        words.map(|word| word.chars().count()).max().unwrap_or(0)
    };
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    // A column has a space on either side.
    let least: Vec<usize> = (0..count).map(|nth| longest_word(nth) + 2).collect();
    if least.iter().sum::<usize>() > columns {
        for row in tables().flat_map(|table| &table.rows) {
            signed(out, screen, row.tone, &[Text::from(row.sentence())]);
        }
        return;
    }
    let mut grid = Grid::new();
    grid.load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(u16::try_from(columns).unwrap_or(u16::MAX));
    lines.into_iter().for_each(|line| {
        grid.add_row(line);
    });
    let least = least
        .into_iter()
        .map(|width| u16::try_from(width).unwrap_or(u16::MAX));
    grid.set_constraints(least.map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(width))));
    for line in grid.lines() {
        let _ = writeln!(out, "{}", coloured(line.trim_end()));
    }
}

fn cells(row: &Row, columns: usize) -> Vec<String> {
    let glyph = match row.tone {
        Tone::Plain => " ",
        tone => tone.look().glyph,
    };
    let mut cells = vec![glyph.to_owned(), row.what.to_string()];
    if !row.trail.is_empty() {
        let room = columns.saturating_sub(OTHER_COLUMNS);
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
    fn links_are_for_terminals_that_show_them() {
        let takes = |pairs: &[(&str, &str)]| {
            takes_links(|name| {
                let found = pairs.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        for (variables, expected) in [
            (&[("TERM", "xterm-256color")][..], false),
            (&[("TERM", "xterm-kitty")], true),
            (&[("TERM_PROGRAM", "vscode")], true),
            (&[("TERM_PROGRAM", "Apple_Terminal")], false),
            (&[("VTE_VERSION", "7200")], true),
            (&[("VTE_VERSION", "4205")], false),
            (&[("VTE_VERSION", "7200"), ("TMUX", "/tmp/tmux,1,0")], false),
        ] {
            assert_eq!(takes(variables), expected, "{variables:?}");
        }
        let screen = |takes_links| Screen {
            width: Some(80),
            is_verbose: false,
            takes_links,
        };
        let path = Path::new("/a b/report.html");
        assert_eq!(link(path, screen(false)), "/a b/report.html");
        assert_eq!(
            link(path, screen(true)),
            "\x1b]8;;file:///a%20b/report.html\x1b\\/a b/report.html\x1b]8;;\x1b\\"
        );
    }

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
