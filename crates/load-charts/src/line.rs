//! Lines over time or over runs, with bounds, a band and marks.

use std::fmt::Write as _;
use std::ops::Range;

use crate::head::{DASHES, Entry, WIDTH, colour, empty, head, whole};
use crate::plane::{Plane, Wanted};
use crate::text::{Esc, number};
use crate::thin::thinned;

/// The height of the plane with its axis, in px.
const PLANE_HEIGHT: u32 = 210;
/// The most points that a line is drawn with: more than one a pixel shows nothing.
const MOST_POINTS: usize = 500;
/// The most points of a series that each say what they are.
const MOST_HOVERED: usize = 160;
/// A bound so many times the greatest value is named but not drawn: it would press the values flat.
const FAR: f64 = 8.0;

/// A value at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Where: seconds, or the index of a run.
    pub x: f64,
    /// The value, in the chart's unit. What is no finite number is a gap in the line.
    pub y: f64,
    /// What it is, shown when the pointer rests on it; the series, the value and the place if left out.
    pub title: Option<String>,
}

impl Point {
    /// A point that is named by its series and value.
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, title: None }
    }

    /// Says what the point is, for instance a revision.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name, in the legend.
    pub name: String,
    /// Its points, by rising x.
    pub points: Vec<Point>,
    /// Whether each point is drawn as a dot.
    pub dots: bool,
}

impl Series {
    /// A line through `points`.
    pub fn new(name: impl Into<String>, points: Vec<Point>) -> Self {
        Self {
            name: name.into(),
            points,
            dots: false,
        }
    }

    /// With a dot for each point, as suits few of them.
    #[must_use]
    pub fn dots(mut self) -> Self {
        self.dots = true;
        self
    }
}

/// A region between two lines, such as the noise of the past.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Its name, in the legend.
    pub name: String,
    /// Place, lower edge, upper edge.
    pub points: Vec<(f64, f64, f64)>,
}

/// What x is.
#[derive(Debug, Clone, PartialEq)]
pub enum XAxis {
    /// Seconds since the start, shown as seconds, minutes or hours.
    Time,
    /// Runs or other things in a row, one at each whole number from 0 on, with a short name each.
    Items {
        /// What they are, such as "runs".
        label: String,
        /// Their names.
        names: Vec<String>,
    },
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
    marks: Vec<(f64, String)>,
    from_zero: bool,
    span: Option<Range<f64>>,
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

    /// Adds a vertical line, such as a change point, that says `title` when the pointer rests on it.
    #[must_use]
    pub fn mark(mut self, x: f64, title: impl Into<String>) -> Self {
        self.marks.push((x, title.into()));
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

    /// The chart as one `<svg>` element.
    pub fn svg(&self) -> String {
        let Some((x, y)) = self.ranges() else {
            return empty(&self.title, &self.unit);
        };
        let (top, room) = head(&self.title, &self.unit, &self.entries(&y));
        let size = (WIDTH, room + PLANE_HEIGHT);
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
            x_ticks: names.map_or(9, |names| names.len().clamp(2, 8)),
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
        }
        let air = (y.end - y.start) * 0.06;
        let under = if self.from_zero && y.start == 0.0 {
            0.0
        } else {
            air
        };
        Some((x, y.start - under..y.end + air))
    }

    fn entries(&self, y: &Range<f64>) -> Vec<Entry> {
        let mut entries: Vec<_> = self.series.iter().enumerate().map(|(index, series)| {
            let dot = if series.dots {
                format!("<circle cx=\"13\" cy=\"0\" r=\"3\" fill=\"{}\"/>", colour(index))
            } else {
                String::new()
            };
            Entry {
                name: series.name.clone(),
                sample: format!("<path d=\"M0 0H26\" stroke=\"{}\" stroke-width=\"2\" stroke-dasharray=\"{}\"/>{dot}", colour(index), DASHES[index % DASHES.len()]),
            }
        }).collect();
        if let Some(band) = &self.band {
            entries.push(Entry {
                name: band.name.clone(),
                sample: format!("<rect x=\"0\" y=\"-6\" width=\"26\" height=\"12\" fill=\"{}\" fill-opacity=\".18\"/>", colour(5)),
            });
        }
        let far = self.bounds.iter().filter(|(bound, _)| !y.contains(bound));
        entries.extend(far.map(|(_, label)| Entry {
            name: format!("{label} (beyond the chart)"),
            sample: "<path d=\"M0 0H26\" stroke=\"var(--chart-bad,#c02b2b)\" stroke-width=\"1.5\" stroke-dasharray=\"5 4\"/>".into(),
        }));
        entries
    }

    fn draw_band(&self, plane: &Plane, per: f64, out: &mut String) {
        let Some(band) = &self.band else { return };
        let sound = |(x, low, high): &&(f64, f64, f64)| {
            x.is_finite() && low.is_finite() && high.is_finite()
        };
        let points: Vec<_> = band.points.iter().filter(sound).collect();
        if points.is_empty() {
            return;
        }
        let upper = points
            .iter()
            .map(|(x, _, high)| (plane.x(x / per), plane.y(*high)));
        let lower = points
            .iter()
            .rev()
            .map(|(x, low, _)| (plane.x(x / per), plane.y(*low)));
        out.push_str("<polygon points=\"");
        for (x, y) in upper.chain(lower) {
            let _ = write!(out, "{x:.1},{y:.1} ");
        }
        let _ = write!(
            out,
            "\" fill=\"{}\" fill-opacity=\".18\"><title>{}</title></polygon>",
            colour(5),
            Esc(&band.name)
        );
    }

    fn draw_bounds(&self, plane: &Plane, out: &mut String) {
        for (bound, label) in self.bounds.iter().filter(|(bound, _)| plane.shows(*bound)) {
            let y = plane.y(*bound);
            // Below the line where there is no room above it.
            let text_y = if y - plane.py.start < 16.0 {
                y + 14.0
            } else {
                y - 4.0
            };
            let _ = write!(
                out,
                "<path d=\"M{:.1} {y:.1}H{:.1}\" fill=\"none\" stroke=\"var(--chart-bad,#c02b2b)\" stroke-width=\"1.5\" stroke-dasharray=\"5 4\"/><text x=\"{:.1}\" y=\"{text_y:.1}\" font-size=\"11\" text-anchor=\"end\">{}</text>",
                plane.px.start,
                plane.px.end,
                plane.px.end - 4.0,
                Esc(label)
            );
        }
    }

    fn draw_marks(&self, plane: &Plane, per: f64, out: &mut String) {
        for (x, title) in self.marks.iter().filter(|(x, _)| x.is_finite()) {
            let at = plane.x(x / per);
            let (top, bottom) = (plane.py.start, plane.py.end);
            let _ = write!(
                out,
                "<g><title>{}</title><path d=\"M{at:.1} {top:.1}V{bottom:.1}\" stroke=\"var(--chart-text,#3d4450)\" stroke-width=\"1.5\" stroke-dasharray=\"2 3\"/><path d=\"M{at:.1} {:.1}l-6 -9h12z\" fill=\"var(--chart-text,#3d4450)\"/><path class=\"hit\" d=\"M{:.1} {top:.1}V{bottom:.1}\" stroke=\"transparent\" stroke-width=\"12\"/></g>",
                Esc(title),
                top + 9.0,
                at
            );
        }
    }

    fn draw_series(
        &self,
        plane: &Plane,
        per: f64,
        index: usize,
        series: &Series,
        out: &mut String,
    ) {
        let stroke = colour(index);
        let sound: Vec<bool> = series
            .points
            .iter()
            .map(|p| p.x.is_finite() && p.y.is_finite())
            .collect();
        let mut path = String::new();
        let mut alone = Vec::new();
        for stretch in series
            .points
            .chunk_by(|a, b| a.y.is_finite() == b.y.is_finite())
        {
            if stretch.len() == 1 && stretch[0].y.is_finite() {
                alone.push(&stretch[0]);
            }
            if !stretch[0].y.is_finite() {
                continue;
            }
            let ys: Vec<f64> = stretch.iter().map(|p| p.y).collect();
            let kept = thinned(&ys, MOST_POINTS);
            for (nth, point) in kept
                .iter()
                .map(|at| &stretch[*at])
                .filter(|p| p.x.is_finite())
                .enumerate()
            {
                let letter = if nth == 0 { 'M' } else { 'L' };
                let _ = write!(
                    path,
                    "{letter}{:.1} {:.1}",
                    plane.x(point.x / per),
                    plane.y(point.y)
                );
            }
        }
        let _ = write!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\" stroke-linejoin=\"round\" stroke-dasharray=\"{}\"/>",
            DASHES[index % DASHES.len()]
        );
        for point in alone
            .iter()
            .filter(|p| p.x.is_finite())
            .filter(|_| !series.dots)
        {
            let _ = write!(
                out,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{stroke}\"/>",
                plane.x(point.x / per),
                plane.y(point.y)
            );
        }
        let many = series.points.len() > MOST_HOVERED;
        for (point, _) in series
            .points
            .iter()
            .zip(sound)
            .filter(|(p, sound)| *sound && (!many || p.title.is_some()))
        {
            let (x, y) = (plane.x(point.x / per), plane.y(point.y));
            let title = point
                .title
                .clone()
                .unwrap_or_else(|| self.name_of(series, point, per));
            let (class, fill, radius) = if series.dots {
                ("dot", stroke.as_str(), 3.5)
            } else {
                ("hit", "transparent", 6.0)
            };
            let _ = write!(
                out,
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\"><title>{}</title></circle>",
                Esc(&title)
            );
        }
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
        for (_, title) in &self.marks {
            let _ = write!(out, "Mark: {title}. ");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> String {
        let points = points.iter().map(|(x, y)| Point::new(*x, *y)).collect();
        LineChart::new("T", "ms")
            .series(Series::new("s", points))
            .svg()
    }

    #[test]
    fn no_points_say_so() {
        for svg in [
            chart(&[]),
            chart(&[(0.0, f64::NAN)]),
            LineChart::new("T", "ms").svg(),
        ] {
            assert!(svg.contains("no data") && !svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn every_range_gives_finite_places() {
        for points in [
            vec![(0.0, 1.0)],
            vec![(5.0, 0.0), (5.0, 0.0)],
            vec![(0.0, 1e300), (1.0, -1e300)],
            vec![(0.0, 1e-300), (1.0, 1e-299)],
            vec![
                (f64::NAN, 1.0),
                (1.0, 2.0),
                (2.0, f64::INFINITY),
                (3.0, 4.0),
            ],
            vec![(0.0, -5.0), (1e12, -6.0)],
        ] {
            let svg = chart(&points);
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{points:?}: {svg}"
            );
            assert!(svg.contains("<path d=\"M"), "{points:?}: {svg}");
        }
    }

    #[test]
    fn a_gap_parts_the_line() {
        let svg = chart(&[
            (0.0, 1.0),
            (1.0, 2.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, 2.0),
        ]);
        let line = svg
            .split("<path d=\"")
            .find(|part| part.matches('M').count() == 2);
        assert!(line.is_some(), "{svg}");
    }

    #[test]
    fn hostile_text_is_text_wherever_it_stands() {
        let evil = "<script>\"x\"</script>";
        let svg = LineChart::new(evil, evil)
            .series(Series::new(evil, vec![Point::new(0.0, 1.0).titled(evil)]))
            .band(Band {
                name: evil.into(),
                points: vec![(0.0, 0.5, 1.5)],
            })
            .bound(1.0, evil)
            .bound(1e9, evil)
            .mark(0.0, evil)
            .axis(XAxis::Items {
                label: evil.into(),
                names: vec![evil.into()],
            })
            .svg();
        assert!(!svg.contains("<script") && !svg.contains("\"x\""), "{svg}");
        assert!(svg.matches("&lt;script&gt;").count() >= 8, "{svg}");
    }

    #[test]
    fn a_far_bound_is_named_and_does_not_flatten() {
        let svg = LineChart::new("T", "ms")
            .series(Series::new(
                "s",
                vec![Point::new(0.0, 1.0), Point::new(1.0, 2.0)],
            ))
            .bound(500.0, "bound 500 ms")
            .svg();
        assert!(svg.contains("bound 500 ms (beyond the chart)"), "{svg}");
        assert!(!svg.contains(">400<"), "{svg}");
    }

    #[test]
    fn long_series_are_thinned() {
        let points: Vec<_> = (0..100_000)
            .map(|n| (f64::from(n), f64::from(n % 97)))
            .collect();
        assert!(chart(&points).len() < 20_000);
    }

    #[test]
    fn readers_are_told() {
        let svg = chart(&[(0.0, 1.0), (1.0, 2.5)]);
        assert!(
            svg.contains("role=\"img\"")
                && svg.contains("s: 2 values from 1 to 2.5, the last 2.5."),
            "{svg}"
        );
        assert!(svg.contains("<title>s: 2.5 ms at 1 s</title>"), "{svg}");
    }
}
