//! How p95 and CPU per request went over comparable runs, as small lines.

use std::fmt::Write as _;

use k6_summary::{Quantity, Unit};
use minijinja::{Value, context};

use crate::history::{self, Accepted, ComparablePoint, Key, Past};
use crate::record::Measure;
use crate::report::chart::{position, range_of};
use crate::report::runs::Runs;
use crate::report::text::Text;
use crate::report::view;

/// How many runs a line shows at most.
const MOST: usize = 60;
/// The size of a line, and how far it stays from the edge, in px.
const SIZE: (f64, f64, f64) = (140.0, 30.0, 4.0);

/// The trends of `runs`, in the order in which they began. The history says what is comparable.
pub fn of(runs: &Runs, accepted: Vec<Accepted>) -> Vec<Value> {
    let mut past = Past::of(runs.found.iter().map(|found| &found.record));
    past.accepted = accepted;
    let keys = past.keys().into_iter().filter(|key| key.k6_args.is_empty());
    keys.map(|key| trend(&past, key)).collect()
}

/// The lines of one test under one profile.
fn trend(past: &Past, key: &Key) -> Value {
    let name = view::name(key);
    let line = |what: &str, measure: &Measure, text: fn(f64) -> String| {
        let values = history::comparable_points(past, key, measure);
        let newest = &values[values.len().saturating_sub(MOST)..];
        spark(&format!("{what}, {name}"), newest, text)
    };
    let ms = |value| Quantity::new(value, Unit::Milliseconds).to_string();
    let us = |ms: f64| view::micros(ms * 1e3);
    // Which tests ran before is told by line, so that all of a machine stand in one table.
    let mut alone = key.clone();
    let after = std::mem::take(&mut alone.after);
    let after = if after.is_empty() {
        String::new()
    } else {
        format!("after {}", after.join(", "))
    };
    context! {
        after => Text::from(after),
        p95 => line("p95 of requests", &Measure::p95_of_requests(), ms),
        cpu => line("server CPU per request", &Measure::CpuPerRequest, us),
        name => Text::from(&name),
        place => Text::from(view::place(&alone)),
        runs => past.comparable_with(key).count(),
    }
}

/// A small line through `values` without axes, with a dot at the newest.
fn spark(name: &str, points: &[ComparablePoint], text: fn(f64) -> String) -> Value {
    let Some(newest) = points.last().map(|point| text(point.value)) else {
        return context! { newest => "", places => () };
    };
    let (count, range) = (
        points.len(),
        range_of(points.iter().map(|point| point.value)),
    );
    let (least, most) = (text(range.start), text(range.end));
    let label = format!("{name}: {count} runs from {least} to {most}, the newest {newest}");
    context! { newest, label => Text::from(label), places => places(points), path => path(points) }
}

/// The line through the references, which breaks where a new level begins.
fn path(points: &[ComparablePoint]) -> String {
    let (mut path, mut pen, mut begins) = (String::new(), 'M', false);
    for (point, (x, y, is_reference)) in points.iter().zip(places(points)) {
        begins |= point.begins;
        if is_reference {
            pen = if begins { 'M' } else { pen };
            let _ = write!(path, "{pen}{x} {y}");
            (pen, begins) = ('L', false);
        }
    }
    path
}

/// Where `points` lie, from zero to the greatest of them, and whether each is a reference.
fn places(points: &[ComparablePoint]) -> Vec<(f64, f64, bool)> {
    let (width, height, edge) = SIZE;
    let x = 0.0..points.len().saturating_sub(1).max(1) as f64;
    let y = 0.0..range_of(points.iter().map(|point| point.value))
        .end
        .max(f64::MIN_POSITIVE);
    let place = |(nth, point): (usize, &ComparablePoint)| {
        (
            position(&x, &(edge..width - edge), nth as f64),
            position(&y, &(height - edge..edge), point.value),
            point.is_reference,
        )
    };
    points.iter().enumerate().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<ComparablePoint> {
        let point = |value: &f64| ComparablePoint {
            value: *value,
            is_reference: true,
            begins: false,
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn only_references_are_joined_and_not_across_an_accepted_change() {
        let mut points = points(&[1.0, 2.0, 4.0, 4.0, 4.0]);
        assert_eq!(path(&points), "M4 20.5L37 15L70 4L103 4L136 4");
        points[1].is_reference = false;
        points[2].is_reference = false;
        points[2].begins = true;
        assert_eq!(path(&points), "M4 20.5M103 4L136 4");
    }

    #[test]
    fn lines_rise_with_their_values() {
        let expected = [(4.0, 20.5, true), (70.0, 15.0, true), (136.0, 4.0, true)];
        assert_eq!(places(&points(&[1.0, 2.0, 4.0])), expected);
        for values in [&[][..], &[0.0], &[1e300, 0.0]] {
            let finite = |(x, y, _): &(f64, f64, bool)| x.is_finite() && y.is_finite();
            assert!(places(&points(values)).iter().all(finite), "{values:?}");
        }
        let line = spark("x", &points(&[1.0, 2.0, 4.0]), |value| value.to_string());
        let label = line.get_attr("label").unwrap().to_string();
        assert_eq!(label, "x: 3 runs from 1 to 4, the newest 4");
    }
}
