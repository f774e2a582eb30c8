//! Charts of lines from odd data.

use super::*;

fn chart(points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|(x, y)| Point::new(*x, *y)).collect();
    LineChart::new("T", "ms")
        .series(Series::new("s", points))
        .svg()
}

#[test]
fn no_points_say_so() {
    for svg in [
        chart(&[]),
        chart(&[(0.0, f64::NAN)]),
        LineChart::new("T", "ms").svg(),
    ] {
        assert!(svg.contains("no data") && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn every_range_gives_finite_places() {
    for points in [
        vec![(0.0, 1.0)],
        vec![(5.0, 0.0), (5.0, 0.0)],
        vec![(0.0, 1e300), (1.0, -1e300)],
        vec![(0.0, 1e-300), (1.0, 1e-299)],
        vec![
            (f64::NAN, 1.0),
            (1.0, 2.0),
            (2.0, f64::INFINITY),
            (3.0, 4.0),
        ],
        vec![(0.0, -5.0), (1e12, -6.0)],
    ] {
        let svg = chart(&points);
        assert!(
            !svg.contains("NaN") && !svg.contains("inf"),
            "{points:?}: {svg}"
        );
        assert!(svg.contains("<path d=\"M"), "{points:?}: {svg}");
    }
}

#[test]
fn a_gap_parts_the_line() {
    let svg = chart(&[
        (0.0, 1.0),
        (1.0, 2.0),
        (2.0, f64::NAN),
        (3.0, 1.0),
        (4.0, 2.0),
    ]);
    let line = svg
        .split("<path d=\"")
        .find(|part| part.matches('M').count() == 2);
    assert!(line.is_some(), "{svg}");
}

#[test]
fn hostile_text_is_text_wherever_it_stands() {
    let evil = "<script>\"x\"</script>";
    let svg = LineChart::new(evil, evil)
        .series(Series::new(evil, vec![Point::new(0.0, 1.0).titled(evil)]))
        .band(Band {
            name: evil.into(),
            points: vec![(0.0, 0.5, 1.5)],
        })
        .bound(1.0, evil)
        .bound(1e9, evil)
        .mark(0.0, evil)
        .flag(0.0, evil)
        .axis(XAxis::Items {
            label: evil.into(),
            names: vec![evil.into()],
        })
        .svg();
    assert!(!svg.contains("<script") && !svg.contains("\"x\""), "{svg}");
    assert!(svg.matches("&lt;script&gt;").count() >= 8, "{svg}");
}

#[test]
fn a_far_bound_is_named_and_does_not_flatten() {
    let svg = LineChart::new("T", "ms")
        .series(Series::new(
            "s",
            vec![Point::new(0.0, 1.0), Point::new(1.0, 2.0)],
        ))
        .bound(500.0, "bound 500 ms")
        .svg();
    assert!(svg.contains("bound 500 ms (beyond the chart)"), "{svg}");
    assert!(!svg.contains(">400<"), "{svg}");
}

#[test]
fn long_series_are_thinned() {
    let points: Vec<_> = (0..100_000)
        .map(|n| (f64::from(n), f64::from(n % 97)))
        .collect();
    assert!(chart(&points).len() < 20_000);
}

#[test]
fn readers_are_told() {
    let svg = chart(&[(0.0, 1.0), (1.0, 2.5)]);
    assert!(
        svg.contains("role=\"img\"") && svg.contains("s: 2 values from 1 to 2.5, the last 2.5."),
        "{svg}"
    );
    assert!(svg.contains("<title>s: 2.5 ms at 1 s</title>"), "{svg}");
}

#[test]
fn a_gap_parts_the_band() {
    let gap = f64::NAN;
    let edges = [
        (0.0, 1.0, 2.0),
        (1.0, 1.0, 2.0),
        (2.0, gap, gap),
        (3.0, 1.0, 3.0),
        (4.0, 1.0, 3.0),
    ];
    let points = (0..5).map(|n| Point::new(f64::from(n), 1.5)).collect();
    let svg = LineChart::new("T", "ms")
        .series(Series::new("s", points))
        .band(Band {
            name: "noise".into(),
            points: edges.to_vec(),
        })
        .svg();
    assert_eq!(
        svg.matches("<title>noise</title></polygon>").count(),
        2,
        "{svg}"
    );
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn shapes_and_marks_differ_without_colour() {
    let point = |x, shape| Point::new(x, 1.0).titled("what it is").shaped(shape);
    let points = vec![
        point(0.0, Shape::Dot),
        point(1.0, Shape::Ring),
        point(2.0, Shape::Cross),
    ];
    let svg = LineChart::new("T", "ms")
        .series(Series::new("s", points).dots())
        .mark(0.5, "changed")
        .flag(1.5, "accepted")
        .svg();
    assert_eq!(svg.matches("<title>what it is</title>").count(), 3, "{svg}");
    assert_eq!(svg.matches("fill=\"var(--chart-back").count(), 1, "{svg}");
    assert_eq!(svg.matches("m-4.5 -4.5l9 9").count(), 1, "{svg}");
    assert_eq!(svg.matches("l-6 -9h12z").count(), 1, "{svg}");
    assert_eq!(svg.matches("h13v9h-13z").count(), 1, "{svg}");
    assert!(svg.contains("Mark: changed. Mark: accepted."), "{svg}");
}
