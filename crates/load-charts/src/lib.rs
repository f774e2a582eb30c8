//! Charts as SVG text: data in, one `<svg>` element out, no I/O.
//!
//! The charts are made to stand inside an HTML page: colours are CSS variables ([`CSS`]) so that they follow the page
//! into the dark, every chart has a title, a unit and a description for screen readers, series differ by dash pattern as
//! well as by colour, and a point says what it is when the pointer rests on it. Every text is escaped here.
//!
//! Scales, ticks and axes are `plotters`'; what its SVG lacks (titles, roles, classes, dashes) is drawn on top of them.
//!
//! ```
//! use load_charts::{LineChart, Point, Series};
//!
//! let chart = LineChart::new("Latency", "ms")
//!     .series(Series::new("p95", vec![Point::new(0.0, 3.1), Point::new(1.0, 3.4)]))
//!     .bound(500.0, "bound 500 ms");
//! assert!(chart.svg().starts_with("<svg"));
//! ```

mod bar;
mod head;
mod line;
mod plane;
mod spark;
mod strip;
mod text;
mod thin;

pub use bar::BoundBar;
pub use line::{Band, LineChart, Point, Series, Shape, XAxis};
pub use spark::{Spark, sparkline};
pub use strip::{Pair, StripPlot};
pub use text::number;

/// The variables that the charts take their colours from, for light and dark, and how their parts look.
///
/// A page has it once. Without it a chart falls back to its light colours.
pub const CSS: &str = include_str!("charts.css");
