//! Where the parts of a chart lie, for the template.

use std::fmt::Write as _;
use std::ops::Range;

use k6_summary::{Quantity, Unit};
use load_stats::median;
use minijinja::value::Serde;
use minijinja::{Value, context};

use super::scale::{divisible, position, range_of, thinned, ticks, time_ticks};
use super::values::values;
use super::{Axis, Chart, ChartLine, Form, Point, PointShape};
use crate::report::template;
use crate::report::text::Text;

/// The width of a chart in px of its own coordinates: pages scale it.
const WIDTH: f64 = 560.0;
/// The height of the plane, and what is above it, in px.
const PLANE: (f64, f64) = (180.0, 10.0);
/// What is left of, right of and below the plane, in px.
const MARGINS: (f64, f64, f64) = (66.0, 16.0, 46.0);
/// How much of its place a column takes.
const COLUMN: f64 = 0.84;
/// The most points that a line is drawn with: more than one a pixel shows nothing.
const MOST_POINTS: usize = 500;
/// The most points of a line that each say what they are.
const MOST_HOVERED: usize = 160;
/// A bound so many times the greatest value is named but not drawn: it would press the values flat.
const FAR: f64 = 3.0;

/// How a chart's values become places.
struct Scale {
    x: Range<f64>,
    y: Range<f64>,
    px: Range<f64>,
    /// The lower edge first.
    py: Range<f64>,
}

impl Scale {
    fn x(&self, value: f64) -> f64 {
        position(&self.x, &self.px, value)
    }

    fn y(&self, value: f64) -> f64 {
        position(&self.y, &self.py, value)
    }
}

/// Lays `chart` out and draws it as one `<figure>` element.
pub fn figure(chart: &Chart) -> Value {
    let Some((x, y)) = ranges(chart) else {
        return template::drawing(context! {
            has_data => false,
            title => &chart.title,
            unit => &chart.unit,
        });
    };
    let top = PLANE.1;
    let scale = Scale {
        x: divisible(&x),
        y: divisible(&y),
        px: MARGINS.0..WIDTH - MARGINS.1,
        py: top + PLANE.0..top,
    };
    let (x_label, x_ticks) = x_ticks(chart, &scale);
    let bounds = chart.bounds.iter().filter(|(bound, _)| y.contains(bound));
    let bounds = bounds.map(|(bound, label)| (scale.y(*bound), Value::from(label)));
    let marks = chart.marks.iter().filter(|mark| mark.x.is_finite());
    let marks = marks.map(|mark| (scale.x(mark.x), Value::from(&mark.title), mark.is_flag));
    // What was before lies behind what is.
    let (before, now): (Vec<_>, Vec<_>) = colours(chart).partition(|(line, _)| is_before(line));
    let lines = before.into_iter().chain(now);
    let lines = lines.map(|(line, colour)| one_line(chart, line, colour, &scale));
    template::drawing(context! {
        has_data => true,
        title => &chart.title,
        unit => &chart.unit,
        description => Text::lines(&description(chart)),
        width => WIDTH,
        height => top + PLANE.0 + MARGINS.2,
        left => scale.px.start,
        right => scale.px.end,
        top,
        bottom => scale.py.start,
        x_label,
        x_ticks,
        y_ticks => labelled(&ticks(&scale.y, 5), &scale),
        legend => legend(chart, &y),
        notes => &chart.notes,
        values => values(chart),
        bands => bands(chart, &scale),
        band_name => &chart.band_name,
        bounds => bounds.collect::<Vec<_>>(),
        marks => marks.collect::<Vec<_>>(),
        stems => stems(chart, &scale),
        lines => lines.collect::<Vec<_>>(),
    })
}

/// The ranges of x and y, or `None` without a single finite point.
fn ranges(chart: &Chart) -> Option<(Range<f64>, Range<f64>)> {
    let points = chart.lines.iter().flat_map(|line| &line.points);
    let points: Vec<&Point> = points.filter(is_finite).collect();
    points.first()?;
    let x = range_of(points.iter().map(|point| point.x));
    let edges = chart.band.iter().flat_map(|(_, low, high)| [*low, *high]);
    let y = range_of(points.iter().map(|point| point.y).chain(edges));
    let near = y.end.abs() * FAR;
    let bounds = chart.bounds.iter().map(|(bound, _)| *bound);
    let bounds = bounds.filter(|bound| *bound <= near);
    let y = range_of([y.start, y.end].into_iter().chain(bounds));
    match &chart.x {
        Axis::Seconds(span) => {
            let x = x.start.min(span.start)..x.end.max(span.end);
            let y = y.start.min(0.0)..if y == (0.0..0.0) { 1.0 } else { y.end.max(0.0) };
            let padding = (y.end - y.start) * 0.06;
            let padding_below = if y.start == 0.0 { 0.0 } else { padding };
            Some((x, y.start - padding_below..y.end + padding))
        }
        Axis::Load(_) => {
            let padding = (x.end - x.start) * 0.03;
            let end = y.end.max(f64::MIN_POSITIVE);
            Some((x.start - padding..x.end + padding, 0.0..end * 1.06))
        }
        Axis::Bins { .. } => {
            let end = y.end.max(f64::MIN_POSITIVE);
            Some((x.start - 0.5..x.end + 0.5, y.start.min(0.0)..end * 1.06))
        }
        Axis::Items { .. } => {
            let padding = (y.end - y.start) * 0.08;
            Some((
                x.start - 0.5..x.end + 0.5,
                y.start - padding..y.end + padding,
            ))
        }
    }
}

pub fn is_finite(point: &&Point) -> bool {
    point.x.is_finite() && point.y.is_finite()
}

fn is_before(line: &ChartLine) -> bool {
    line.form == Form::Before
}

/// The lines with the numbers of their colours; those of what was before have none of their own.
fn colours(chart: &Chart) -> impl Iterator<Item = (&ChartLine, usize)> {
    let mut next = 0;
    chart.lines.iter().map(move |line| {
        let colour = next;
        next += usize::from(!is_before(line));
        (line, colour)
    })
}

/// The entries of the legend. A single line may be named by the chart's title.
fn legend(chart: &Chart, y: &Range<f64>) -> Vec<Value> {
    let entry = |name: &str, kind: &str, index: usize, shape: PointShape| {
        context! { name => Text::from(name), kind, index, shape => Serde(shape) }
    };
    let lines = colours(chart).map(|(line, colour)| {
        let kind = match line.form {
            Form::Before => "before",
            Form::Columns => "columns",
            Form::Joined | Form::Apart => "line",
        };
        let first = line.points.first();
        let shape = first.map_or(PointShape::Hidden, |point| point.shape);
        entry(&line.name, kind, colour, shape)
    });
    let band = chart.band.iter().any(is_edge);
    let band = band.then(|| entry(&chart.band_name, "band", 0, PointShape::Hidden));
    let far = chart.bounds.iter().filter(|(bound, _)| !y.contains(bound));
    let far = far.map(|(_, label)| {
        let name = format!("{label} (beyond the chart)");
        entry(&name, "bound", 0, PointShape::Hidden)
    });
    let all: Vec<Value> = lines.chain(band).chain(far).collect();
    let title = chart.title.to_lowercase();
    let is_named = |line: &ChartLine| {
        title.contains(&*line.name.to_lowercase()) || matches!(chart.x, Axis::Items { .. })
    };
    match (all.len(), chart.lines.as_slice()) {
        (1, [line]) if is_named(line) => Vec::new(),
        _ => all,
    }
}

/// What the axis of x says, and its ticks.
fn x_ticks(chart: &Chart, scale: &Scale) -> (String, Vec<(f64, String)>) {
    match &chart.x {
        Axis::Seconds(_) => {
            let (per, unit) = time_unit(&scale.x);
            let all = time_ticks(&scale.x, 7).into_iter();
            let all = all.map(|at| (scale.x(at), number(at / per)));
            (format!("time since the start, {unit}"), all.collect())
        }
        Axis::Load(unit) => {
            let all = ticks(&scale.x, 7).into_iter();
            let all = all.map(|at| (scale.x(at), number(at)));
            ((*unit).to_owned(), all.collect())
        }
        Axis::Items { label, names } | Axis::Bins { label, names } => {
            let widest = names.iter().map(|name| name.chars().count()).max();
            let most = if widest > Some(5) { 5 } else { 12 };
            let step = names.len().div_ceil(most).max(1);
            let all = names.iter().enumerate().step_by(step);
            let all = all.map(|(at, name)| (scale.x(at as f64), name.to_string()));
            ((*label).to_owned(), all.collect())
        }
    }
}

/// Ticks of y with their texts, which have as many digits as tell them apart.
fn labelled(ticks: &[f64], scale: &Scale) -> Vec<(f64, String)> {
    let mut texts: Vec<String> = ticks.iter().map(|at| number(*at)).collect();
    if texts.windows(2).any(|pair| pair[0] == pair[1]) {
        let step = ticks[1] - ticks[0];
        let digits = (-step.log10().floor()).clamp(0.0, 12.0) as usize;
        texts = ticks.iter().map(|at| format!("{at:.digits$}")).collect();
    }
    let places = ticks.iter().map(|at| scale.y(*at));
    places.zip(texts).collect()
}

/// By what seconds are divided for people, and what that is.
pub fn time_unit(x: &Range<f64>) -> (f64, &'static str) {
    match x.end - x.start {
        span if span > 36_000.0 => (3600.0, "h"),
        span if span > 600.0 => (60.0, "min"),
        _ => (1.0, "s"),
    }
}

fn is_edge((x, low, high): &(f64, f64, f64)) -> bool {
    x.is_finite() && low.is_finite() && high.is_finite()
}

/// The parts of the band without gaps, as the corners of polygons.
fn bands(chart: &Chart, scale: &Scale) -> Vec<String> {
    let stretches = chart.band.chunk_by(|a, b| is_edge(a) == is_edge(b));
    let whole = stretches.filter(|stretch| stretch.first().is_some_and(is_edge));
    whole
        .map(|stretch| {
            let upper = stretch.iter().map(|(x, _, high)| (x, high));
            let lower = stretch.iter().rev().map(|(x, low, _)| (x, low));
            upper.chain(lower).fold(String::new(), |mut out, (x, y)| {
                let _ = write!(out, "{},{} ", scale.x(*x), scale.y(*y));
                out
            })
        })
        .collect()
}

/// The lines that join the pairs of the first two lines: place, and both ends.
fn stems(chart: &Chart, scale: &Scale) -> Vec<(f64, f64, f64)> {
    let (true, [base, head, ..]) = (chart.are_pairs, chart.lines.as_slice()) else {
        return Vec::new();
    };
    let pairs = base.points.iter().zip(&head.points);
    pairs
        .filter(|(base, head)| is_finite(base) && is_finite(head))
        .map(|(base, head)| (scale.x(base.x), scale.y(base.y), scale.y(head.y)))
        .collect()
}

fn one_line(chart: &Chart, line: &ChartLine, colour: usize, scale: &Scale) -> Value {
    let place = |point: &Point| (scale.x(point.x), scale.y(point.y));
    let mut path = String::new();
    let mut points = Vec::new();
    let stretches = line.points.chunk_by(|a, b| is_finite(&a) == is_finite(&b));
    for stretch in stretches.filter(|stretch| is_finite(&&stretch[0])) {
        let ys: Vec<f64> = stretch.iter().map(|point| point.y).collect();
        for (nth, kept) in thinned(&ys, MOST_POINTS).into_iter().enumerate() {
            let (x, y) = place(&stretch[kept]);
            let _ = write!(path, "{}{x} {y}", if nth == 0 { 'M' } else { 'L' });
        }
        // A line of one point would not be seen.
        if let [alone] = stretch
            && alone.shape == PointShape::Hidden
        {
            let (x, y) = place(alone);
            points.push((
                x,
                y,
                Serde(PointShape::Dot),
                title(chart, line, alone, scale),
            ));
        }
    }
    let many = line.points.len() > MOST_HOVERED || is_before(line);
    let told = line.points.iter().filter(is_finite);
    for point in told.filter(|point| !many || point.title.is_some()) {
        let (x, y) = place(point);
        points.push((x, y, Serde(point.shape), title(chart, line, point, scale)));
    }
    let ys = line.points.iter().map(|point| point.y);
    let ys: Vec<f64> = ys.filter(|y| y.is_finite()).collect();
    let middle = median(&ys).filter(|_| chart.are_pairs);
    let is_line = matches!(line.form, Form::Joined | Form::Before);
    let is_column = line.form == Form::Columns;
    context! {
        colour,
        is_before => is_before(line),
        path => is_line.then_some(path),
        column => is_column.then(|| (scale.x(1.0) - scale.x(0.0)) * COLUMN),
        median => middle.map(|middle| scale.y(middle)),
        points,
    }
}

fn title(chart: &Chart, line: &ChartLine, point: &Point, scale: &Scale) -> Text {
    point.title.clone().unwrap_or_else(|| {
        let y = number(point.y);
        match &chart.x {
            Axis::Seconds(_) => {
                let (per, unit) = time_unit(&scale.x);
                let x = number(point.x / per);
                format!("{}: {y} {} at {x} {unit}", line.name, chart.unit).into()
            }
            Axis::Load(load) => {
                let x = number(point.x);
                format!("{}: {y} {} at {x} {load}", line.name, chart.unit).into()
            }
            Axis::Items { names, .. } | Axis::Bins { names, .. } => {
                let name = names.get(point.x as usize).cloned().unwrap_or_default();
                format!("{name}: {y} {}", chart.unit).into()
            }
        }
    })
}

/// The chart in words, for those who cannot see it.
fn description(chart: &Chart) -> String {
    let lines = chart.lines.iter().filter_map(|line| {
        let ys = line.points.iter().map(|point| point.y);
        let ys: Vec<f64> = ys.filter(|y| y.is_finite()).collect();
        let (name, count, range) = (&line.name, ys.len(), range_of(ys.iter().copied()));
        let [least, greatest, last] = [range.start, range.end, *ys.last()?].map(number);
        Some(format!(
            "{name}: {count} values, minimum {least}, maximum {greatest}, the last {last}. "
        ))
    });
    let bounds = chart.bounds.iter().map(|(_, label)| format!("{label}. "));
    let marks = chart.marks.iter();
    let marks = marks.map(|mark| format!("Mark: {}. ", mark.title));
    lines.chain(bounds).chain(marks).collect()
}

pub fn number(value: f64) -> String {
    Quantity::new(value, Unit::Count).to_string()
}
