//! Lines over time or over runs, with bounds, a band and marks.

mod data;
mod draw;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::ops::Range;

pub use data::{Band, Point, Series, Shape, XAxis};

use crate::head::{LEAST_WIDTH, WIDTH, empty, head, whole};
use crate::plane::{Plane, Wanted};
use crate::text::number;

/// The height of the plane with its axis, in px.
const PLANE_HEIGHT: u32 = 210;
/// The most points that a line is drawn with: more than one a pixel shows nothing.
const MOST_POINTS: usize = 500;
/// The most points of a series that each say what they are.
const MOST_HOVERED: usize = 160;
/// A bound so many times the greatest value is named but not drawn: it would press the values flat.
const FAR: f64 = 8.0;

/// A vertical line with a sign on top.
#[derive(Debug, Clone)]
struct Mark {
    x: f64,
    title: String,
    sign: Sign,
}

/// What stands on top of a mark, so that two kinds are told apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Triangle,
    Flag,
}

/// A chart of lines.
#[derive(Debug, Clone)]
pub struct LineChart {
    title: String,
    unit: String,
    axis: XAxis,
    series: Vec<Series>,
    band: Option<Band>,
    bounds: Vec<(f64, String)>,
    marks: Vec<Mark>,
    from_zero: bool,
    span: Option<Range<f64>>,
    width: u32,
}

impl LineChart {
    /// A chart over time without lines yet.
    pub fn new(title: impl Into<String>, unit: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            axis: XAxis::Time,
            series: Vec::new(),
            band: None,
            bounds: Vec::new(),
            marks: Vec::new(),
            from_zero: true,
            span: None,
            width: WIDTH,
        }
    }

    /// Says what x is.
    #[must_use]
    pub fn axis(mut self, axis: XAxis) -> Self {
        self.axis = axis;
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn series(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Adds the band, behind the lines.
    #[must_use]
    pub fn band(mut self, band: Band) -> Self {
        self.band = Some(band);
        self
    }

    /// Adds a horizontal line. One far above every value is named in the legend instead of drawn.
    #[must_use]
    pub fn bound(mut self, value: f64, label: impl Into<String>) -> Self {
        self.bounds.push((value, label.into()));
        self
    }

    /// Adds a dashed vertical line under a triangle, such as a change point, that says `title` when the pointer rests on
    /// it.
    #[must_use]
    pub fn mark(self, x: f64, title: impl Into<String>) -> Self {
        self.marked(x, title.into(), Sign::Triangle)
    }

    /// As [`LineChart::mark`], with a whole line under a flag, such as a decision.
    #[must_use]
    pub fn flag(self, x: f64, title: impl Into<String>) -> Self {
        self.marked(x, title.into(), Sign::Flag)
    }

    fn marked(mut self, x: f64, title: String, sign: Sign) -> Self {
        self.marks.push(Mark { x, title, sign });
        self
    }

    /// Lets y begin near the least value rather than at zero.
    #[must_use]
    pub fn fit(mut self) -> Self {
        self.from_zero = false;
        self
    }

    /// Has x reach at least over `span`, so that several charts share one time axis.
    #[must_use]
    pub fn span(mut self, span: Range<f64>) -> Self {
        self.span = Some(span);
        self
    }

    /// Has the chart `width` px of its own coordinates instead of 560, as suits one that has a page's full width.
    #[must_use]
    pub fn width(mut self, width: u32) -> Self {
        self.width = width.max(LEAST_WIDTH);
        self
    }

    /// The chart as one `<svg>` element.
    pub fn svg(&self) -> String {
        let Some((x, y)) = self.ranges() else {
            return empty(&self.title, &self.unit);
        };
        let (top, room) = head(&self.title, &self.unit, &self.entries(&y), self.width);
        let size = (self.width, room + PLANE_HEIGHT);
        let (per, label) = self.x_unit(&x);
        let names = match &self.axis {
            XAxis::Items { names, .. } => Some(names),
            XAxis::Time => None,
        };
        let x_text = |value: f64| match names {
            None => number(value),
            Some(names) => item(names, value),
        };
        let plane = Plane::new(&Wanted {
            size,
            head: room,
            x: x.start / per..x.end / per,
            y: y.clone(),
            x_label: &label,
            x_ticks: names.map_or(7, |names| {
                names.len().clamp(2, (self.width / 110).max(2) as usize)
            }),
            x_text: &x_text,
        });
        let mut body = top + &plane.axes;
        self.draw_band(&plane, per, &mut body);
        self.draw_bounds(&plane, &mut body);
        self.draw_marks(&plane, per, &mut body);
        for (index, series) in self.series.iter().enumerate() {
            self.draw_series(&plane, per, index, series, &mut body);
        }
        whole(&self.title, &self.unit, &self.description(), size, &body)
    }

    /// By what x is divided for its axis, and what the axis says.
    fn x_unit(&self, x: &Range<f64>) -> (f64, String) {
        match &self.axis {
            XAxis::Items { label, .. } => (1.0, label.clone()),
            XAxis::Time if x.end - x.start > 10.0 * 3600.0 => {
                (3600.0, "time since the start, h".into())
            }
            XAxis::Time if x.end - x.start > 600.0 => (60.0, "time since the start, min".into()),
            XAxis::Time => (1.0, "time since the start, s".into()),
        }
    }

    /// The ranges of x and y, or `None` without a single finite point.
    fn ranges(&self) -> Option<(Range<f64>, Range<f64>)> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let points: Vec<_> = points
            .filter(|p| p.x.is_finite() && p.y.is_finite())
            .collect();
        points.first()?;
        let mut x = bounds_of(points.iter().map(|p| p.x));
        let mut y = bounds_of(points.iter().map(|p| p.y));
        if let Some(band) = &self.band {
            let edges = band.points.iter().flat_map(|(_, low, high)| [*low, *high]);
            let edges = bounds_of(edges.filter(|edge| edge.is_finite()));
            y = y.start.min(edges.start)..y.end.max(edges.end);
        }
        let highest = y.end;
        for (bound, _) in &self.bounds {
            if bound.is_finite() && *bound <= highest.abs() * FAR {
                y = y.start.min(*bound)..y.end.max(*bound);
            }
        }
        if let Some(span) = &self.span {
            x = x.start.min(span.start)..x.end.max(span.end);
        }
        if matches!(self.axis, XAxis::Items { .. }) {
            x = x.start - 0.5..x.end + 0.5;
        }
        if self.from_zero {
            y = y.start.min(0.0)..y.end.max(0.0);
            if y.start == y.end {
                y.end = 1.0;
            }
        }
        let air = (y.end - y.start) * 0.06;
        let under = if self.from_zero && y.start == 0.0 {
            0.0
        } else {
            air
        };
        Some((x, y.start - under..y.end + air))
    }

    fn name_of(&self, series: &Series, point: &Point, per: f64) -> String {
        let place = match &self.axis {
            XAxis::Items { names, .. } => item(names, point.x),
            XAxis::Time if per == 1.0 => format!("{} s", number(point.x)),
            XAxis::Time if per == 60.0 => format!("{} min", number(point.x / per)),
            XAxis::Time => format!("{} h", number(point.x / per)),
        };
        format!(
            "{}: {} {} at {place}",
            series.name,
            number(point.y),
            self.unit
        )
    }

    /// The chart in words, for those who cannot see it.
    fn description(&self) -> String {
        let mut out = String::new();
        for series in &self.series {
            let ys: Vec<f64> = series
                .points
                .iter()
                .map(|p| p.y)
                .filter(|y| y.is_finite())
                .collect();
            let Some(last) = ys.last() else { continue };
            let range = bounds_of(ys.iter().copied());
            let _ = write!(
                out,
                "{}: {} values from {} to {}, the last {}. ",
                series.name,
                ys.len(),
                number(range.start),
                number(range.end),
                number(*last)
            );
        }
        for (_, label) in &self.bounds {
            let _ = write!(out, "{label}. ");
        }
        for mark in &self.marks {
            let _ = write!(out, "Mark: {}. ", mark.title);
        }
        out.trim_end().to_owned()
    }
}

/// The name of the item at `value`, which may lie between two items: then there is none.
fn item(names: &[String], value: f64) -> String {
    let near = value.round();
    if (value - near).abs() > 0.01 || near < 0.0 {
        return String::new();
    }
    names.get(near as usize).cloned().unwrap_or_default()
}

fn bounds_of(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, greatest) = values.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, greatest), v| (least.min(v), greatest.max(v)),
    );
    least..greatest
}
