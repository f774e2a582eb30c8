//! How p95 and CPU per request went over comparable runs, as small lines.

use k6_summary::{Quantity, Unit};
use serde::Serialize;

use super::profile;
use crate::history::{self, Key, Past};
use crate::record::Measure;
use crate::report::chart::{along, range_of};
use crate::report::runs::Runs;
use crate::report::text::Text;
use crate::report::view;

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

/// The trends of `runs`, in the order in which they began. The history says what is comparable.
pub fn of(runs: &Runs) -> Vec<Trend> {
    let past = Past::of(runs.found.iter().map(|found| &found.record));
    let keys = past.keys().into_iter().filter(|key| key.k6_args.is_empty());
    keys.map(|key| trend(&past, key)).collect()
}

fn trend(past: &Past, key: &Key) -> Trend {
    let name = format!("{} {}", profile(&key.profile, key.time_scale), key.test);
    let line = |what: &str, measure: &Measure, text: fn(f64) -> String| {
        let values = history::comparable_points(past, key, measure);
        let newest = &values[values.len().saturating_sub(MOST)..];
        spark(&format!("{what}, {name}"), newest, text)
    };
    let ms = |value| Quantity::new(value, Unit::Milliseconds).to_string();
    let us = |ms: f64| format!("{:.0} µs", ms * 1e3);
    Trend {
        p95: line("p95 of requests", &Measure::p95_of_requests(), ms),
        cpu: line("server CPU per request", &Measure::CpuPerRequest, us),
        name: name.into(),
        place: view::place(key).into(),
        runs: past.comparable_with(key).count(),
    }
}

/// The line through `values`.
fn spark(name: &str, values: &[f64], text: fn(f64) -> String) -> Spark {
    let Some(newest) = values.last() else {
        return Spark {
            newest: "–".into(),
            ..Spark::default()
        };
    };
    let range = range_of(values.iter().copied());
    let (width, height, edge) = SIZE;
    let x = 0.0..values.len().saturating_sub(1).max(1) as f64;
    let y = 0.0..range.end.max(f64::MIN_POSITIVE);
    let places = values.iter().enumerate().map(|(nth, value)| {
        (
            along(&x, &(edge..width - edge), nth as f64),
            along(&y, &(height - edge..edge), *value),
        )
    });
    let places: Vec<(f64, f64)> = places.collect();
    let steps = places.iter().map(|(x, y)| format!("{x} {y}"));
    Spark {
        label: format!(
            "{name}: {} runs from {} to {}, the newest {}",
            values.len(),
            text(range.start),
            text(range.end),
            text(*newest)
        )
        .into(),
        newest: text(*newest).into(),
        path: format!("M{}", steps.collect::<Vec<_>>().join("L")),
        dot: places.last().copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_finite() {
        let line = spark("x", &[1.0, 2.0, 4.0], |value| value.to_string());
        assert_eq!(line.path, "M4 20.5L70 15L136 4");
        assert_eq!(line.dot, Some((136.0, 4.0)));
        assert_eq!(&*line.label, "x: 3 runs from 1 to 4, the newest 4");
        for values in [&[][..], &[0.0], &[1e300, 0.0]] {
            let line = spark("x", values, |value| value.to_string());
            assert!(
                !line.path.contains("NaN") && !line.path.contains("inf"),
                "{}",
                line.path
            );
        }
    }
}
