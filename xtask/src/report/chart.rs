//! Charts as SVG: where everything lies is computed here, `templates/chart.html` draws it.
//!
//! Colours are variables of the style sheet, so that charts follow the page into the dark; lines differ by dash pattern
//! as well as by colour, points by shape; a point says what it is when the pointer rests on it, the values stand as a
//! table below for who has no pointer, and the whole chart is described in words for those who cannot see it.

mod draw;
mod scale;
#[cfg(test)]
mod tests;
mod values;

use std::ops::Range;

use serde::{Serialize, Serializer};

pub use draw::number;
pub use scale::{position, range_of};

use super::text::Text;

/// A chart of lines over time or over items in a row.
#[derive(Debug)]
pub struct Chart {
    /// What it shows.
    pub title: Text,
    /// The unit of y.
    pub unit: Text,
    /// What x is.
    pub x: Axis,
    /// The lines, by rising x.
    pub lines: Vec<ChartLine>,
    /// Place, lower and upper edge of what `band_name` says. An edge that is no finite number is a gap.
    pub band: Vec<(f64, f64, f64)>,
    /// What the band is.
    pub band_name: Text,
    /// Horizontal lines. One far above every value is named in the legend instead of drawn.
    pub bounds: Vec<(f64, Text)>,
    /// Vertical lines.
    pub marks: Vec<Mark>,
    /// Whether the first two lines are pairs: each pair is joined, and each line has its median.
    pub are_pairs: bool,
    /// What is to be said of it, in sentences.
    pub notes: Vec<Text>,
}

/// What x is.
#[derive(Debug)]
pub enum Axis {
    /// Seconds since the start, over at least this span, so that several charts share one axis; y begins at zero.
    Seconds(Range<f64>),
    /// A load in this unit; y begins at zero.
    Load(&'static str),
    /// Things in a row, one at each whole number from 0 on; y begins near the least value.
    Items {
        /// What they are.
        label: &'static str,
        /// Their names.
        names: Vec<Text>,
    },
    /// As items, but y begins at zero, so that heights can be compared.
    Bins {
        /// What they are.
        label: &'static str,
        /// Their names.
        names: Vec<Text>,
    },
}

/// A line of a chart.
#[derive(Debug)]
pub struct ChartLine {
    /// Its name, in the legend.
    pub name: Text,
    /// Its points.
    pub points: Vec<Point>,
    /// How they are drawn together.
    pub form: Form,
}

/// How the points of a line are drawn together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A line goes through them.
    Joined,
    /// Each stands alone.
    Apart,
    /// Each is a column.
    Columns,
    /// A pale line behind the others goes through them: what was before.
    Before,
}

/// A value at a place.
#[derive(Debug)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// The value. What is no finite number is a gap in the line.
    pub y: f64,
    /// What it is; the line, the value and the place if left out.
    pub title: Option<Text>,
    /// How it is drawn.
    pub shape: PointShape,
}

/// How a point is drawn: points that differ in kind are told apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PointShape {
    /// It is not seen, but says what it is.
    Hidden,
    /// A full dot.
    Dot,
    /// An empty ring.
    Ring,
    /// A full square.
    Square,
    /// A cross.
    Cross,
}

/// A vertical line with a sign on top.
#[derive(Debug)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What it says.
    pub title: Text,
    /// Whether it is a decision, under a flag, or a finding, under a triangle.
    pub is_flag: bool,
}

impl Chart {
    /// A chart without anything in it yet.
    pub fn new(title: impl Into<Text>, unit: impl Into<Text>, x: Axis) -> Self {
        Self {
            title: title.into(),
            unit: unit.into(),
            x,
            lines: Vec::new(),
            band: Vec::new(),
            band_name: "fence".into(),
            bounds: Vec::new(),
            marks: Vec::new(),
            are_pairs: false,
            notes: Vec::new(),
        }
    }
}

impl ChartLine {
    /// A joined line through pairs of x and y.
    pub fn through(name: &str, points: &[(f64, f64)]) -> Self {
        let points = points.iter().map(|(x, y)| Point {
            x: *x,
            y: *y,
            title: None,
            shape: PointShape::Hidden,
        });
        Self {
            name: name.into(),
            points: points.collect(),
            form: Form::Joined,
        }
    }

    /// The same in another form.
    #[must_use]
    pub fn drawn(self, form: Form) -> Self {
        Self { form, ..self }
    }
}

impl Serialize for Chart {
    /// As a page takes it: one `<figure>` element.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        draw::figure(self).serialize(serializer)
    }
}
