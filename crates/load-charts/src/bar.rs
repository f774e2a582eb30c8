//! A value against its bound, as a bar beside a row of text.

use crate::text::Esc;

const WIDTH: f64 = 180.0;
const HEIGHT: f64 = 16.0;

/// A bar with a bound.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundBar<'a> {
    /// What it says to a screen reader and to a resting pointer: name, value and bound in words.
    pub label: &'a str,
    /// The value.
    pub value: f64,
    /// The bound, in the same unit.
    pub bound: f64,
    /// Whether the bound is kept; `None` if that was not judged.
    pub ok: Option<bool>,
}

impl BoundBar<'_> {
    /// The bar as one `<svg>` element. Without finite numbers there is an empty track.
    pub fn svg(&self) -> String {
        let (value, bound) = (self.value.max(0.0), self.bound.max(0.0));
        let finite = value.is_finite() && bound.is_finite() && self.value.is_finite();
        // The bound at two thirds, unless the value needs more room.
        let full = if finite {
            (bound * 1.5).max(value * 1.05).max(f64::MIN_POSITIVE)
        } else {
            1.0
        };
        let at = |number: f64| (number / full * WIDTH).clamp(0.0, WIDTH);
        let colour = match self.ok {
            Some(true) => "var(--chart-good,#18794e)",
            Some(false) => "var(--chart-bad,#c02b2b)",
            None => "var(--chart-none,#8b93a1)",
        };
        let drawn = if finite {
            // A value of nothing still shows where it is.
            let length = at(value).max(1.5);
            format!(
                "<rect x=\"0\" y=\"4\" width=\"{length:.1}\" height=\"8\" rx=\"1.5\" fill=\"{colour}\"/><path d=\"M{:.1} 0V16\" stroke=\"var(--chart-text,#3d4450)\" stroke-width=\"2\"/>",
                at(bound)
            )
        } else {
            String::new()
        };
        format!(
            "<svg class=\"bar\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title><rect x=\"0\" y=\"4\" width=\"{WIDTH}\" height=\"8\" rx=\"1.5\" fill=\"var(--chart-track,#e9ecf1)\"/>{drawn}</svg>",
            label = Esc(self.label)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(value: f64, bound: f64) -> String {
        BoundBar {
            label: "a \"<b>\"",
            value,
            bound,
            ok: Some(true),
        }
        .svg()
    }

    #[test]
    fn the_bar_is_as_long_as_its_value() {
        assert!(bar(50.0, 100.0).contains("width=\"60.0\""));
        assert!(
            bar(100.0, 100.0).contains("width=\"120.0\"") && bar(100.0, 100.0).contains("M120.0 0")
        );
        let over = bar(1000.0, 100.0);
        assert!(
            over.contains("width=\"171.4\"") && over.contains("M17.1 0"),
            "{over}"
        );
    }

    #[test]
    fn odd_numbers_and_text_do_no_harm() {
        for (value, bound) in [
            (f64::NAN, 1.0),
            (1.0, f64::INFINITY),
            (0.0, 0.0),
            (-1.0, 0.0),
            (1e300, 1e-300),
        ] {
            let svg = bar(value, bound);
            assert!(
                !svg.contains("NaN")
                    && !svg.contains("inf")
                    && svg.contains("a &quot;&lt;b&gt;&quot;"),
                "{svg}"
            );
        }
    }
}
