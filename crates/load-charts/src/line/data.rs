//! What a chart of lines is made of.

/// A value at a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Where: seconds, or the index of a run.
    pub x: f64,
    /// The value, in the chart's unit. What is no finite number is a gap in the line.
    pub y: f64,
    /// What it is, shown when the pointer rests on it; the series, the value and the place if left out.
    pub title: Option<String>,
    /// How it is drawn where its series has dots.
    pub shape: Shape,
}

/// How a point is drawn: points that differ in kind are told apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shape {
    /// A full dot.
    #[default]
    Dot,
    /// An empty ring.
    Ring,
    /// A cross.
    Cross,
}

impl Point {
    /// A point that is named by its series and value.
    pub fn new(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            title: None,
            shape: Shape::Dot,
        }
    }

    /// Gives it another shape.
    #[must_use]
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
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
    /// Place, lower edge, upper edge, by rising place. An edge that is no finite number is a gap in the band.
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
