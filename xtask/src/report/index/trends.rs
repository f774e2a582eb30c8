//! How p95 and CPU per request went over comparable runs, as small lines.

use std::fmt::Write as _;

use k6_summary::Quantity;
use serde::Serialize;

use crate::history::{self, Key, Past};
use crate::record::Measure;
use crate::report::history::words;
use crate::report::runs::Runs;
use crate::report::text::Text;

/// How many runs a line shows at most.
const MOST: usize = 60;
/// The size of a line, and how far it stays from the edge, in px.
const SIZE: (f64, f64, f64) = (140.0, 30.0, 4.0);

/// The lines of one test under one profile.
#[derive(Serialize)]
pub struct Trend {
    name: Text,
    place: Text,
    runs: usize,
    p95: Spark,
    cpu: Spark,
}

/// A small line without axes, from zero to the greatest value, with a dot at the newest.
#[derive(Serialize, Default)]
struct Spark {
    label: Text,
    newest: Text,
    path: String,
    dot: Option<(f64, f64)>,
}

/// The trends of `runs`, in the order in which they began.
pub fn of(runs: &Runs) -> Vec<Trend> {
    let past = Past::of(runs.found.iter().map(|found| &found.record));
    let keys = past.keys().into_iter().filter(|key| key.k6_args.is_empty());
    keys.map(|key| trend(&past, key)).collect()
}

fn trend(past: &Past, key: &Key) -> Trend {
    let name = words::name(key);
    let line = |what: &str, measure: &Measure| {
        let points = history::comparable_points(past, key, measure);
        let recent = &points[points.len().saturating_sub(MOST)..];
        let text = |value: f64| Quantity::new(value, measure.unit()).to_string();
        let points = recent.iter().map(|value| Some((*value, text(*value))));
        spark(&format!("{what}, {name}"), points)
    };
    Trend {
        p95: line("p95 of requests", &Measure::p95_of_requests()),
        cpu: line("server CPU per request", &Measure::CpuPerRequest),
        place: words::place(key).into(),
        runs: past.comparable_with(key).count(),
        name: name.into(),
    }
}

/// The line through `values`, each with its text; a gap for what is not known.
fn spark(name: &str, values: impl ExactSizeIterator<Item = Option<(f64, String)>>) -> Spark {
    let last = values.len().saturating_sub(1).max(1) as f64;
    let known: Vec<(f64, f64, String)> = values
        .enumerate()
        .filter_map(|(nth, value)| value.map(|(value, text)| (nth as f64 / last, value, text)))
        .filter(|(_, value, _)| value.is_finite())
        .collect();
    let by_value = |a: &&(f64, f64, String), b: &&(f64, f64, String)| a.1.total_cmp(&b.1);
    let extremes = known
        .iter()
        .min_by(by_value)
        .zip(known.iter().max_by(by_value));
    let (Some(newest), Some((least, greatest))) = (known.last(), extremes) else {
        return Spark {
            newest: "–".into(),
            ..Spark::default()
        };
    };
    let (width, height, edge) = SIZE;
    let place = |(x, value, _): &(f64, f64, String)| {
        let share = value / greatest.1.max(f64::MIN_POSITIVE);
        let px = |number: f64| (number * 10.0).round() / 10.0;
        let y = height - edge - share.clamp(0.0, 1.0) * (height - 2.0 * edge);
        (px(edge + x * (width - 2.0 * edge)), px(y))
    };
    let mut path = String::new();
    for (x, y) in known.iter().map(place) {
        let _ = write!(path, "{}{x} {y}", if path.is_empty() { 'M' } else { 'L' });
    }
    Spark {
        label: format!(
            "{name}: {} runs from {} to {}, the newest {}",
            known.len(),
            least.2,
            greatest.2,
            newest.2
        )
        .into(),
        newest: newest.2.as_str().into(),
        path,
        dot: Some(place(newest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_finite_and_leave_out_what_is_not_known() {
        let value = |number: f64| Some((number, number.to_string()));
        let line = spark(
            "x",
            [value(1.0), None, value(f64::NAN), value(4.0)].into_iter(),
        );
        assert_eq!(line.path, "M4 20.5L136 4");
        assert_eq!(line.dot, Some((136.0, 4.0)));
        assert_eq!(&*line.label, "x: 2 runs from 1 to 4, the newest 4");
        for values in [
            vec![],
            vec![value(0.0)],
            vec![value(1e300), value(0.0)],
            vec![None],
        ] {
            let line = spark("x", values.into_iter());
            assert!(
                !line.path.contains("NaN") && !line.path.contains("inf"),
                "{}",
                line.path
            );
        }
    }
}
