//! Charts on a terminal: columns of blocks.

use std::fmt::Write as _;

use super::Screen;
use crate::report::chart::{Axis, Chart, number};

/// How high a chart is, in lines.
const ROWS: usize = 5;
/// The parts of a line that a column fills, from none to all.
const PARTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The widest chart, and the narrowest that shows anything.
const WIDTH: (usize, usize) = (90, 16);

/// Draws the line `name` of `chart` over the load, with the band below it.
pub fn plot(out: &mut String, chart: &Chart, name: &str, screen: Screen) {
    let line = chart.lines.iter().find(|line| *line.name == *name);
    let points = line.iter().flat_map(|line| &line.points);
    let points: Vec<(f64, f64)> = points.map(|point| (point.x, point.y)).collect();
    let (Axis::Load(unit), [(from, _), .., (to, _)]) = (&chart.x, points.as_slice()) else {
        return;
    };
    let top = points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let label = number(top);
    let margin = label.chars().count() + 4;
    let width = screen.columns().min(WIDTH.0).saturating_sub(margin + 1);
    if width < WIDTH.1 || top <= 0.0 || to <= from {
        return;
    }
    let load = |column: usize| from + (to - from) * column as f64 / (width - 1) as f64;
    let filled = |column| (at(&points, load(column)) / top * (ROWS * 8) as f64).round() as usize;
    let filled: Vec<usize> = (0..width).map(filled).collect();
    let _ = writeln!(out, "  {name}, {}", chart.unit);
    for row in (0..ROWS).rev() {
        let label = if row + 1 == ROWS { label.as_str() } else { "" };
        let blocks = filled
            .iter()
            .map(|filled| PARTS[filled.saturating_sub(row * 8).min(8)]);
        let blocks: String = blocks.collect();
        let _ = writeln!(out, "{label:>0$} │{1}", margin - 2, blocks.trim_end());
    }
    let is_edge = |column: usize| {
        let step = (to - from) / (width - 1) as f64 / 2.0;
        let band = chart.band.first().zip(chart.band.last());
        band.is_some_and(|((low, ..), (high, ..))| {
            load(column) + step >= *low && load(column) - step <= *high
        })
    };
    let axis: String = (0..width)
        .map(|it| if is_edge(it) { '═' } else { '─' })
        .collect();
    let (from, to) = (number(*from), format!("{} {unit}", number(*to)));
    let between = width.saturating_sub(from.chars().count());
    let _ = writeln!(
        out,
        "{:>2$} └{axis}\n{:>3$}{from}{to:>between$}",
        "0",
        "",
        margin - 2,
        margin
    );
}

/// The value at `x` on the line through `points`.
fn at(points: &[(f64, f64)], x: f64) -> f64 {
    let next = points.iter().position(|(at, _)| *at >= x);
    let next = next.unwrap_or(points.len() - 1).max(1);
    let ((x0, y0), (x1, y1)) = (points[next - 1], points[next]);
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::chart::ChartLine;

    #[test]
    fn a_line_becomes_columns_and_the_band_a_part_of_the_axis() {
        let points = [(0.0, 0.0), (10.0, 0.0), (20.0, 50.0), (40.0, 100.0)];
        let mut chart = Chart::new("durations", "ms", Axis::Load("users"));
        chart.lines = vec![ChartLine::through("p95", &points)];
        chart.band = vec![(20.0, 0.0, 100.0), (25.0, 0.0, 100.0)];
        let draw = |width| {
            let screen = Screen {
                width: Some(width),
                is_verbose: false,
                takes_links: false,
            };
            let mut out = String::new();
            plot(&mut out, &chart, "p95", screen);
            out
        };
        let drawn = draw(30);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 8, "{drawn}");
        assert!(
            lines.iter().all(|line| line.chars().count() <= 30),
            "{drawn}"
        );
        assert!(
            lines[1].ends_with('█') && lines[1].starts_with("  100 │ "),
            "{drawn}"
        );
        // Half of the height at half of the load, nothing at a quarter.
        let column = |line: &str, share: f64| line.chars().nth(7 + (22.0 * share) as usize);
        assert_eq!(column(lines[5], 0.75), Some('█'), "{drawn}");
        assert_eq!(column(lines[5], 0.1), Some(' '), "{drawn}");
        let edge: Vec<usize> = (0..30)
            .filter(|nth| lines[6].chars().nth(*nth) == Some('═'))
            .collect();
        assert!((3..=5).contains(&edge.len()) && edge[0] >= 16, "{drawn}");
        assert!(lines[7].ends_with("40 users"), "{drawn}");
        assert_eq!(draw(15), "");
    }
}
