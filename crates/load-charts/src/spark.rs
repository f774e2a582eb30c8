//! Small trends: one line of text, or one small line.

use std::fmt::Write as _;

use crate::text::Esc;

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The values as block characters, from the least to the greatest; a space for what is no number.
pub fn sparkline(values: &[f64]) -> String {
    let (least, greatest) = range(values);
    let step = |value: &f64| {
        if !value.is_finite() {
            return ' ';
        }
        let share = (value - least) / (greatest - least);
        if share.is_finite() {
            STEPS[((share * 7.0).round() as usize).min(7)]
        } else {
            STEPS[3]
        }
    };
    values.iter().map(step).collect()
}

fn range(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().filter(|v| v.is_finite());
    finite.fold(
        (f64::INFINITY, f64::NEG_INFINITY),
        |(least, greatest), v| (least.min(*v), greatest.max(*v)),
    )
}

/// A small line without axes, for a cell of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Spark<'a> {
    /// What it says to a screen reader and to a resting pointer.
    pub label: &'a str,
    /// The values, the oldest first.
    pub values: &'a [f64],
}

impl Spark<'_> {
    /// The line as one `<svg>` element, from zero to the greatest value, with a dot at the newest.
    pub fn svg(&self) -> String {
        const WIDTH: f64 = 140.0;
        const HEIGHT: f64 = 30.0;
        let (least, greatest) = range(self.values);
        let (least, greatest) = (least.min(0.0), greatest.max(least.min(0.0)));
        let last = self.values.len().saturating_sub(1).max(1) as f64;
        let mut path = String::new();
        let mut dot = String::new();
        for (index, value) in self
            .values
            .iter()
            .enumerate()
            .filter(|(_, v)| v.is_finite())
        {
            let x = 4.0 + index as f64 / last * (WIDTH - 8.0);
            let share = (value - least) / (greatest - least);
            let y = HEIGHT - 4.0 - if share.is_finite() { share } else { 0.5 } * (HEIGHT - 8.0);
            let _ = write!(
                path,
                "{}{x:.1} {y:.1}",
                if path.is_empty() { 'M' } else { 'L' }
            );
            dot = format!(
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"var(--chart-1,#1f5fbf)\"/>"
            );
        }
        format!(
            "<svg class=\"spark\" xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{HEIGHT}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\"><title>{label}</title><path d=\"{path}\" fill=\"none\" stroke=\"var(--chart-1,#1f5fbf)\" stroke-width=\"1.5\" stroke-linejoin=\"round\"/>{dot}</svg>",
            label = Esc(self.label)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_least_to_greatest() {
        assert_eq!(sparkline(&[1.0, 2.0, 3.0, 8.0]), "▁▂▃█");
        assert_eq!(sparkline(&[5.0, f64::NAN, 5.0]), "▄ ▄");
        assert_eq!(sparkline(&[]), "");
    }

    #[test]
    fn small_lines_are_finite() {
        for values in [&[][..], &[1.0], &[0.0, 0.0], &[f64::NAN, 2.0, 1e300]] {
            let svg = Spark {
                label: "<t>",
                values,
            }
            .svg();
            assert!(
                !svg.contains("NaN") && !svg.contains("inf") && svg.contains("&lt;t&gt;"),
                "{svg}"
            );
        }
    }
}
