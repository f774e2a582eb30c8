//! The parts of a chart of lines, drawn onto its plane.

use std::fmt::Write as _;
use std::ops::Range;

use super::{Band, LineChart, MOST_HOVERED, MOST_POINTS, Series, Shape, Sign};
use crate::head::{DASHES, Entry, colour};
use crate::plane::Plane;
use crate::text::Esc;
use crate::thin::thinned;

impl LineChart {
    pub(super) fn entries(&self, y: &Range<f64>) -> Vec<Entry> {
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
        // A single line is named by the chart's title.
        if self.series.len() == 1 && entries.len() == 1 {
            entries.clear();
        }
        entries
    }

    pub(super) fn draw_band(&self, plane: &Plane, per: f64, out: &mut String) {
        let Some(band) = &self.band else { return };
        let sound =
            |(x, low, high): &(f64, f64, f64)| x.is_finite() && low.is_finite() && high.is_finite();
        for stretch in band.points.chunk_by(|a, b| sound(a) == sound(b)) {
            if stretch.first().is_some_and(sound) {
                draw_stretch(band, stretch, plane, per, out);
            }
        }
    }

    pub(super) fn draw_bounds(&self, plane: &Plane, out: &mut String) {
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

    pub(super) fn draw_marks(&self, plane: &Plane, per: f64, out: &mut String) {
        for mark in self.marks.iter().filter(|mark| mark.x.is_finite()) {
            let at = plane.x(mark.x / per);
            let (top, bottom) = (plane.py.start, plane.py.end);
            let (dash, sign) = match mark.sign {
                Sign::Triangle => ("2 3", format!("M{at:.1} {:.1}l-6 -9h12z", top + 9.0)),
                Sign::Flag => ("", format!("M{at:.1} {top:.1}h13v9h-13z")),
            };
            let _ = write!(
                out,
                "<g><title>{}</title><path d=\"M{at:.1} {top:.1}V{bottom:.1}\" stroke=\"var(--chart-text,#3d4450)\" stroke-width=\"1.5\" stroke-dasharray=\"{dash}\"/><path d=\"{sign}\" fill=\"var(--chart-text,#3d4450)\"/><path class=\"hit\" d=\"M{at:.1} {top:.1}V{bottom:.1}\" stroke=\"transparent\" stroke-width=\"12\"/></g>",
                Esc(&mark.title)
            );
        }
    }

    pub(super) fn draw_series(
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
            let shape = series.dots.then_some(point.shape);
            draw_point(x, y, shape, &stroke, &title, out);
        }
    }
}

/// A part of the band without gaps. One of a single point is as wide as its edge.
fn draw_stretch(
    band: &Band,
    stretch: &[(f64, f64, f64)],
    plane: &Plane,
    per: f64,
    out: &mut String,
) {
    let upper = stretch
        .iter()
        .map(|(x, _, high)| (plane.x(x / per), plane.y(*high)));
    let lower = stretch
        .iter()
        .rev()
        .map(|(x, low, _)| (plane.x(x / per), plane.y(*low)));
    out.push_str("<polygon points=\"");
    for (x, y) in upper.chain(lower) {
        let _ = write!(out, "{x:.1},{y:.1} ");
    }
    let _ = write!(
        out,
        "\" fill=\"{colour}\" fill-opacity=\".18\" stroke=\"{colour}\" stroke-opacity=\".5\"><title>{}</title></polygon>",
        Esc(&band.name),
        colour = colour(5)
    );
}

/// A point that says what it is; one without a shape is not seen.
fn draw_point(x: f64, y: f64, shape: Option<Shape>, stroke: &str, title: &str, out: &mut String) {
    let title = Esc(title);
    let _ = match shape {
        None => write!(
            out,
            "<circle class=\"hit\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.0\" fill=\"transparent\"><title>{title}</title></circle>"
        ),
        Some(Shape::Dot) => write!(
            out,
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{stroke}\"><title>{title}</title></circle>"
        ),
        Some(Shape::Ring) => write!(
            out,
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"var(--chart-back,#ffffff)\" stroke=\"{stroke}\" stroke-width=\"1.5\"><title>{title}</title></circle>"
        ),
        Some(Shape::Cross) => write!(
            out,
            "<g class=\"dot\"><title>{title}</title><path d=\"M{x:.1} {y:.1}m-4.5 -4.5l9 9m0 -9l-9 9\" stroke=\"var(--chart-bad,#c02b2b)\" stroke-width=\"2.5\"/><circle class=\"hit\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6.0\" fill=\"transparent\"/></g>"
        ),
    };
}
