//! The plane of a chart: plotters lays out scales, ticks and axes, and says where a value lies.

use std::ops::Range;

use plotters::prelude::*;

use crate::text::number;

/// Stand-ins for colours that are CSS variables in the end.
const TEXT: RGBColor = RGBColor(1, 2, 1);
const AXIS: RGBColor = RGBColor(1, 2, 2);
const GRID: RGBColor = RGBColor(1, 2, 3);
const VARIABLES: [(&str, &str); 3] = [
    ("#010201", "var(--chart-text,#3d4450)"),
    ("#010202", "var(--chart-axis,#8b93a1)"),
    ("#010203", "var(--chart-grid,#e3e6eb)"),
];
/// Beyond this, plotters' arithmetic on ticks is no longer exact.
const HUGE: f64 = 1e15;

/// What a plane is to show.
pub(crate) struct Wanted<'a> {
    /// Width and height, in px.
    pub size: (u32, u32),
    /// What stands above the plane, in px.
    pub head: u32,
    /// The range of x.
    pub x: Range<f64>,
    /// The range of y.
    pub y: Range<f64>,
    /// What x is.
    pub x_label: &'a str,
    /// How many ticks x has at most.
    pub x_ticks: usize,
    /// The text of a tick of x.
    pub x_text: &'a dyn Fn(f64) -> String,
}

/// A plane with its axes.
pub(crate) struct Plane {
    /// The axes, ticks and grid as SVG elements.
    pub axes: String,
    x: Range<f64>,
    y: Range<f64>,
    /// The pixels between which x lies.
    pub px: Range<f64>,
    /// The pixels between which y lies, the upper edge first.
    pub py: Range<f64>,
}

impl Plane {
    /// Lays it out.
    pub fn new(wanted: &Wanted<'_>) -> Self {
        let (x, y) = (sound(&wanted.x), sound(&wanted.y));
        let mut axes = String::new();
        let pixels = draw(wanted, &x, &y, &mut axes);
        let (px, py) = pixels.unwrap_or_else(|| {
            let (width, height) = (wanted.size.0 as i32, wanted.size.1 as i32);
            (60..width - 14, wanted.head as i32..height - 40)
        });
        Self {
            axes: elements(&axes),
            x,
            y,
            px: f64::from(px.start)..f64::from(px.end),
            py: f64::from(py.start)..f64::from(py.end),
        }
    }

    /// Where x lies, in px.
    pub fn x(&self, value: f64) -> f64 {
        along(&self.x, &self.px, value)
    }

    /// Where y lies, in px, held within the plane.
    pub fn y(&self, value: f64) -> f64 {
        along(&self.y, &(self.py.end..self.py.start), value).clamp(self.py.start, self.py.end)
    }

    /// Whether y is within the plane.
    pub fn shows(&self, value: f64) -> bool {
        (self.y.start..=self.y.end).contains(&value)
    }
}

fn along(values: &Range<f64>, pixels: &Range<f64>, value: f64) -> f64 {
    let share = (value - values.start) / (values.end - values.start);
    pixels.start + share * (pixels.end - pixels.start)
}

/// A range that can be divided: finite, and not of one point.
fn sound(range: &Range<f64>) -> Range<f64> {
    let (start, end) = (range.start.clamp(-HUGE, HUGE), range.end.clamp(-HUGE, HUGE));
    if !(start.is_finite() && end.is_finite()) {
        return 0.0..1.0;
    }
    if end - start > start.abs().max(end.abs()) * 1e-9 {
        return start..end;
    }
    let half = if start == 0.0 { 0.5 } else { start.abs() * 0.1 };
    start - half..start + half
}

type Pixels = (Range<i32>, Range<i32>);

fn draw(wanted: &Wanted<'_>, x: &Range<f64>, y: &Range<f64>, out: &mut String) -> Option<Pixels> {
    let root = SVGBackend::with_string(out, wanted.size).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin_top(wanted.head)
        .margin_right(14)
        .margin_left(2)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d(x.clone(), y.clone())
        .ok()?;
    let small = ("sans-serif", 12).into_font().color(&TEXT);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(small)
        .x_desc(wanted.x_label)
        .x_labels(wanted.x_ticks)
        .y_labels(5)
        .x_label_formatter(&|value| (wanted.x_text)(*value))
        .y_label_formatter(&|value| number(*value))
        .draw()
        .ok()?;
    let pixels = chart.plotting_area().get_pixel_range();
    root.present().ok()?;
    Some(pixels)
}

/// What plotters wrote inside its `<svg>`, with variables for colours.
fn elements(svg: &str) -> String {
    let inner = svg
        .split_once("<svg")
        .and_then(|(_, rest)| rest.split_once('>'));
    let inner = inner.map_or("", |(_, inner)| inner.trim_end().trim_end_matches("</svg>"));
    let mut out = inner
        .replace(" font-family=\"sans-serif\"", "")
        .replace("opacity=\"1\" ", "");
    for (colour, variable) in VARIABLES {
        out = out.replace(colour, variable);
    }
    out
}
