//! Tables on a terminal.

use std::fmt::Write as _;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, Width};

use super::{Screen, signed, style};
use crate::report::chart::{position, range_of};
use crate::report::text::Text;
use crate::report::view::{Row, Table, Tone};

/// The blocks of a sparkline, from the least to the greatest value.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns that a table takes without its sparkline.
const OTHER_COLUMNS: usize = 96;
/// The narrowest and the widest sparkline.
const SPARK: (usize, usize) = (12, 60);

/// The rows of `tables` under common columns; where no word would fit, each row as a sentence.
pub fn table(out: &mut String, tables: &[&Table], with_heads: bool, screen: Screen) {
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
