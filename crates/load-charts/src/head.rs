//! What every chart has around its plane: the element itself, its title, its description and its legend.

use std::fmt::Write as _;

use crate::text::{Esc, width};

/// The dash patterns that tell series apart where colour does not.
pub(crate) const DASHES: [&str; 6] = ["", "7 3", "2 3", "9 3 2 3", "14 4", "1 4"];
/// The width of a chart, in px of its own coordinates: pages scale it.
pub(crate) const WIDTH: u32 = 720;
/// How wide a sample in the legend is, in px.
const SAMPLE: f64 = 26.0;
const ROW: f64 = 18.0;

/// The colour of series `index`, as a variable with a light fallback.
pub(crate) fn colour(index: usize) -> String {
    const LIGHT: [&str; 6] = [
        "#1f5fbf", "#b3480d", "#18794e", "#8a3ffc", "#a11d5b", "#5c6470",
    ];
    let at = index % LIGHT.len();
    format!("var(--chart-{},{})", at + 1, LIGHT[at])
}

/// How entry `index` of a legend looks: elements within 26 × 10 px around the origin of its row.
pub(crate) struct Entry {
    /// Its name.
    pub name: String,
    /// The sample, drawn from 0 to 26 px in x around 0 in y.
    pub sample: String,
}

/// The title and the legend, and how much room they take, in px.
pub(crate) fn head(title: &str, unit: &str, entries: &[Entry]) -> (String, u32) {
    let mut out = format!(
        "<text x=\"2\" y=\"16\" font-size=\"14\" font-weight=\"600\">{}<tspan font-weight=\"400\" font-size=\"12\"> {}</tspan></text>",
        Esc(title),
        Esc(unit)
    );
    let (mut x, mut y) = (4.0, 36.0);
    for entry in entries {
        let takes = SAMPLE + 6.0 + width(&entry.name) + 18.0;
        if x > 4.0 && x + takes > f64::from(WIDTH) {
            (x, y) = (4.0, y + ROW);
        }
        let _ = write!(
            out,
            "<g transform=\"translate({x:.1} {y:.1})\">{}<text x=\"{:.1}\" y=\"4\" font-size=\"12\">{}</text></g>",
            entry.sample,
            SAMPLE + 6.0,
            Esc(&entry.name)
        );
        x += takes;
    }
    let room = if entries.is_empty() { 30.0 } else { y + 16.0 };
    (out, room as u32)
}

/// The whole element around `body`.
pub(crate) fn whole(
    title: &str,
    unit: &str,
    description: &str,
    size: (u32, u32),
    body: &str,
) -> String {
    let (width, height) = size;
    format!(
        "<svg class=\"chart\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}, in {unit}. {description}\"><desc>{description}</desc>{body}</svg>",
        title = Esc(title),
        unit = Esc(unit),
        description = Esc(description)
    )
}

/// What stands in place of a chart without data.
pub(crate) fn empty(title: &str, unit: &str) -> String {
    let (head, room) = head(title, unit, &[]);
    let body = format!(
        "{head}<text x=\"2\" y=\"{}\" font-size=\"12\">no data</text>",
        room + 12
    );
    whole(title, unit, "no data", (WIDTH, room + 24), &body)
}
