//! Pairs of measurements side by side: base and head of each block, and their medians.

use std::fmt::Write as _;

use crate::head::{Entry, WIDTH, colour, empty, head, whole};
use crate::plane::{Plane, Wanted};
use crate::text::{Esc, number};

const PLANE_HEIGHT: u32 = 190;

/// One pair, measured one after the other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pair {
    /// The base's value.
    pub base: f64,
    /// The head's value.
    pub head: f64,
}

/// Pairs over their number.
#[derive(Debug, Clone)]
pub struct StripPlot {
    title: String,
    unit: String,
    names: (String, String),
    pairs: Vec<Pair>,
}

impl StripPlot {
    /// A plot of `pairs`, in the order in which they were measured.
    pub fn new(title: impl Into<String>, unit: impl Into<String>, pairs: Vec<Pair>) -> Self {
        let names = ("base".into(), "head".into());
        Self {
            title: title.into(),
            unit: unit.into(),
            names,
            pairs,
        }
    }

    /// Names the two sides; "base" and "head" if left out.
    #[must_use]
    pub fn names(mut self, base: impl Into<String>, head: impl Into<String>) -> Self {
        self.names = (base.into(), head.into());
        self
    }

    /// The plot as one `<svg>` element.
    pub fn svg(&self) -> String {
        let values: Vec<f64> = self
            .pairs
            .iter()
            .flat_map(|p| [p.base, p.head])
            .filter(|v| v.is_finite())
            .collect();
        if values.is_empty() {
            return empty(&self.title, &self.unit);
        }
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let air = (greatest - least) * 0.12;
        let (top, room) = head(&self.title, &self.unit, &self.entries());
        let size = (WIDTH, room + PLANE_HEIGHT);
        let whole_number = |value: f64| {
            if value.fract() == 0.0 {
                number(value)
            } else {
                String::new()
            }
        };
        let plane = Plane::new(&Wanted {
            size,
            head: room,
            x: 0.5..self.pairs.len() as f64 + 0.5,
            y: least - air..greatest + air,
            x_label: "pair, in the order of measurement",
            x_ticks: self.pairs.len().clamp(2, 12),
            x_text: &whole_number,
        });
        let mut body = top + &plane.axes;
        self.draw(&plane, &mut body);
        whole(&self.title, &self.unit, &self.description(), size, &body)
    }

    fn entries(&self) -> Vec<Entry> {
        let median = |index| {
            format!(
                "<path d=\"M0 0H26\" stroke=\"{}\" stroke-width=\"1\" stroke-dasharray=\"4 3\"/>",
                colour(index)
            )
        };
        vec![
            Entry {
                name: format!("{} and its median", self.names.0),
                sample: median(0) + &base_mark(13.0, 0.0),
            },
            Entry {
                name: format!("{} and its median", self.names.1),
                sample: median(1) + &head_mark(13.0, 0.0),
            },
        ]
    }

    fn draw(&self, plane: &Plane, out: &mut String) {
        for (index, middle) in [
            median(self.pairs.iter().map(|p| p.base)),
            median(self.pairs.iter().map(|p| p.head)),
        ]
        .into_iter()
        .enumerate()
        {
            if let Some(middle) = middle {
                let _ = write!(
                    out,
                    "<path d=\"M{:.1} {y:.1}H{:.1}\" stroke=\"{}\" stroke-width=\"1\" stroke-dasharray=\"4 3\"/>",
                    plane.px.start,
                    plane.px.end,
                    colour(index),
                    y = plane.y(middle)
                );
            }
        }
        for (index, pair) in self.pairs.iter().enumerate() {
            let x = plane.x(index as f64 + 1.0);
            let (base, head) = (plane.y(pair.base), plane.y(pair.head));
            let title = format!(
                "pair {}: {} {}, {} {} {}",
                index + 1,
                self.names.0,
                number(pair.base),
                self.names.1,
                number(pair.head),
                self.unit
            );
            let _ = write!(out, "<g><title>{}</title>", Esc(&title));
            if pair.base.is_finite() && pair.head.is_finite() {
                let _ = write!(
                    out,
                    "<path d=\"M{x:.1} {base:.1}V{head:.1}\" stroke=\"var(--chart-axis,#8b93a1)\" stroke-width=\"1.5\"/>"
                );
            }
            if pair.base.is_finite() {
                out.push_str(&base_mark(x, base));
            }
            if pair.head.is_finite() {
                out.push_str(&head_mark(x, head));
            }
            out.push_str("</g>");
        }
    }

    fn description(&self) -> String {
        let side = |name: &str, middle: Option<f64>| {
            format!(
                "median of {name} {}",
                middle.map_or_else(|| "unknown".into(), number)
            )
        };
        format!(
            "{} pairs; {}, {}",
            self.pairs.len(),
            side(&self.names.0, median(self.pairs.iter().map(|p| p.base))),
            side(&self.names.1, median(self.pairs.iter().map(|p| p.head)))
        )
    }
}

/// A ring.
fn base_mark(x: f64, y: f64) -> String {
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
        colour(0)
    )
}

/// A filled square.
fn head_mark(x: f64, y: f64) -> String {
    format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\" fill=\"{}\"/>",
        x - 4.0,
        y - 4.0,
        colour(1)
    )
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ => Some(f64::midpoint(values[half - 1], values[half])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_drawn_and_named() {
        let pairs = vec![
            Pair {
                base: 1.0,
                head: 2.0,
            },
            Pair {
                base: 1.5,
                head: f64::NAN,
            },
            Pair {
                base: 3.0,
                head: 4.0,
            },
        ];
        let svg = StripPlot::new("p95", "ms", pairs)
            .names("<main>", "tree")
            .svg();
        assert!(svg.contains("pair 1: &lt;main&gt; 1, tree 2 ms"), "{svg}");
        assert!(
            svg.contains("3 pairs; median of &lt;main&gt; 1.5, median of tree 3"),
            "{svg}"
        );
        assert!(!svg.contains("NaN") && !svg.contains("<main>"), "{svg}");
    }

    #[test]
    fn nothing_and_sameness_do_no_harm() {
        assert!(
            StripPlot::new("p95", "ms", Vec::new())
                .svg()
                .contains("no data")
        );
        let same = StripPlot::new(
            "p95",
            "ms",
            vec![Pair {
                base: 2.0,
                head: 2.0,
            }],
        )
        .svg();
        assert!(!same.contains("NaN") && same.contains("<rect"), "{same}");
    }
}
