//! The values of a chart as a table, for who has no pointer to rest on a point.

use std::ops::Range;

use minijinja::{Value, context};

use super::draw::{is_finite, number, time_unit};
use super::scale::range_of;
use super::{Axis, Chart, ChartLine};
use crate::report::text::Text;

/// The most rows of a chart over time: more are not read, and the greatest value of each stretch is what matters.
const MOST: usize = 40;

/// The table: a head for each column, and the cells of each row. What was not measured has an empty cell.
pub fn values(chart: &Chart) -> Value {
    match &chart.x {
        Axis::Seconds(span) => over_time(chart, span),
        Axis::Load(unit) => by_load(chart, unit),
        Axis::Items { label, names } | Axis::Bins { label, names } => items(chart, label, names),
    }
}

fn by_load(chart: &Chart, unit: &str) -> Value {
    let points = chart.lines.iter().flat_map(|line| &line.points);
    let mut loads: Vec<f64> = points.filter(is_finite).map(|point| point.x).collect();
    loads.sort_by(f64::total_cmp);
    loads.dedup();
    let places = loads.into_iter().map(|load| (load, number(load).into()));
    at_places(chart, unit, places)
}

fn items(chart: &Chart, label: &str, names: &[Text]) -> Value {
    // Points that say all of themselves need no columns.
    if let [line] = chart.lines.as_slice()
        && line.points.iter().all(|point| point.title.is_some())
    {
        let titles = line.points.iter().rev().filter_map(|it| it.title.clone());
        let rows: Vec<Vec<Text>> = titles.map(|title| vec![title]).collect();
        return context! { heads => vec![Text::from(format!("{}, the newest first", chart.title))], rows };
    }
    let places = names.iter().enumerate();
    at_places(
        chart,
        label,
        places.map(|(nth, name)| (nth as f64, name.clone())),
    )
}

/// A row for each place of x, with what it is called.
fn at_places(chart: &Chart, first: &str, places: impl Iterator<Item = (f64, Text)>) -> Value {
    let rows = places.map(|(x, name)| {
        let at = |line: &ChartLine| {
            let mut points = line.points.iter().filter(is_finite);
            points.find(|point| point.x == x).map(|it| it.y)
        };
        row(name, chart.lines.iter().map(at))
    });
    let rows: Vec<Vec<Text>> = rows.collect();
    context! { heads => heads(chart, first), rows }
}

fn over_time(chart: &Chart, span: &Range<f64>) -> Value {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let xs = range_of(points().map(|point| point.x));
    let span = xs.start.min(span.start)..xs.end.max(span.end);
    let (per, unit) = time_unit(&span);
    let longest = chart.lines.iter().map(|line| line.points.len()).max();
    let count = longest.unwrap_or(0).min(MOST);
    let width = (span.end - span.start) / count.max(1) as f64;
    let rows = (0..count).map(|nth| {
        let from = span.start + nth as f64 * width;
        // The last stretch has its end.
        let to = if nth + 1 == count {
            f64::INFINITY
        } else {
            from + width
        };
        let greatest = |line: &ChartLine| {
            let within = line.points.iter().filter(is_finite);
            let within = within.filter(|point| (from..to).contains(&point.x));
            within.map(|point| point.y).reduce(f64::max)
        };
        let name = format!("{}–{}", number(from / per), number((from + width) / per));
        row(name.into(), chart.lines.iter().map(greatest))
    });
    let rows: Vec<Vec<Text>> = rows
        .filter(|row| row[1..].iter().any(|it| !it.is_empty()))
        .collect();
    context! { heads => heads(chart, &format!("{unit}; the greatest of each stretch")), rows }
}

fn heads(chart: &Chart, first: &str) -> Vec<Text> {
    let lines = chart.lines.iter();
    std::iter::once(first.into())
        .chain(lines.map(|line| format!("{}, {}", line.name, chart.unit).into()))
        .collect()
}

fn row(name: Text, values: impl Iterator<Item = Option<f64>>) -> Vec<Text> {
    let cells = values.map(|value| value.map(number).unwrap_or_default().into());
    std::iter::once(name).chain(cells).collect()
}
