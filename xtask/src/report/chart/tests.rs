//! Charts from odd data.

use super::*;

fn chart(points: &[(f64, f64)]) -> Chart {
    Chart {
        lines: vec![Line::through("s", points)],
        ..Chart::new("T", "ms", Axis::Seconds(0.0..0.0))
    }
}

fn svg(chart: &Chart) -> String {
    draw::svg(chart).to_string()
}

#[test]
fn no_points_say_so() {
    for points in [&[][..], &[(0.0, f64::NAN)]] {
        let svg = svg(&chart(points));
        assert!(svg.contains("no data") && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn every_range_gives_finite_places() {
    let nan = f64::NAN;
    for points in [
        vec![(0.0, 1.0)],
        vec![(5.0, 0.0), (5.0, 0.0)],
        vec![(0.0, 1e300), (1.0, -1e300)],
        vec![(0.0, 1e-300), (1.0, 1e-299)],
        vec![(nan, 1.0), (1.0, 2.0), (2.0, f64::INFINITY), (3.0, 4.0)],
        vec![(0.0, -5.0), (1e12, -6.0)],
    ] {
        for x in [
            Axis::Seconds(0.0..0.0),
            Axis::Items {
                label: "items",
                names: vec!["a".into(); 2],
            },
        ] {
            let chart = Chart {
                x,
                are_pairs: true,
                ..chart(&points)
            };
            let svg = svg(&chart);
            assert!(
                !svg.contains("NaN") && !svg.contains("inf"),
                "{points:?}: {svg}"
            );
            assert!(svg.contains("<path d=\"M"), "{points:?}: {svg}");
        }
    }
}

#[test]
fn a_gap_parts_the_line_and_the_band() {
    let nan = f64::NAN;
    let points = [(0.0, 1.0), (1.0, 2.0), (2.0, nan), (3.0, 1.0), (4.0, 2.0)];
    let edge = |(x, y): &(f64, f64)| (*x, *y, y + 1.0);
    let svg = svg(&Chart {
        band: points.iter().map(edge).collect(),
        ..chart(&points)
    });
    let mut paths = svg.split("<path d=\"");
    assert!(paths.any(|path| path.split('"').next().unwrap().matches('M').count() == 2));
    assert_eq!(svg.matches("<title>fence</title>").count(), 2, "{svg}");
    assert!(!svg.contains("NaN"), "{svg}");
}

#[test]
fn hostile_text_is_text_wherever_it_stands() {
    let evil = "<script>\"x\"</script>";
    let mut chart = Chart {
        band: vec![(0.0, 0.5, 1.5)],
        bounds: vec![(1.0, evil.into()), (1e9, evil.into())],
        marks: [false, true]
            .map(|is_flag| Mark {
                x: 0.0,
                title: evil.into(),
                is_flag,
            })
            .into(),
        lines: vec![Line::through(evil, &[(0.0, 1.0)])],
        ..Chart::new(
            evil,
            evil,
            Axis::Items {
                label: "items",
                names: vec![evil.into()],
            },
        )
    };
    chart.lines[0].points[0].title = Some(evil.into());
    let svg = svg(&chart);
    assert!(!svg.contains("<script") && !svg.contains("\"x\""), "{svg}");
    assert!(svg.matches("&lt;script&gt;").count() >= 8, "{svg}");
}

#[test]
fn a_far_bound_is_named_and_does_not_flatten() {
    let svg = svg(&Chart {
        bounds: vec![(500.0, "bound 500 ms".into())],
        ..chart(&[(0.0, 1.0), (1.0, 2.0)])
    });
    assert!(svg.contains("bound 500 ms (beyond the chart)"), "{svg}");
    assert!(!svg.contains(">400<"), "{svg}");
}

#[test]
fn ticks_that_are_near_each_other_are_told_apart() {
    let svg = svg(&Chart {
        x: Axis::Items {
            label: "items",
            names: vec!["a".into(); 2],
        },
        ..chart(&[(0.0, 6.1801), (1.0, 6.1809)])
    });
    assert!(
        svg.contains(">6.1802<") && svg.contains(">6.1804<"),
        "{svg}"
    );
}

#[test]
fn long_series_are_thinned() {
    let points: Vec<_> = (0..100_000)
        .map(|n| (f64::from(n), f64::from(n % 97)))
        .collect();
    assert!(svg(&chart(&points)).len() < 20_000);
}

#[test]
fn readers_are_told() {
    let svg = svg(&chart(&[(0.0, 1.0), (1.0, 2.5)]));
    assert!(
        svg.contains("role=\"img\"") && svg.contains("s: 2 values from 1 to 2.5, the last 2.5."),
        "{svg}"
    );
    assert!(svg.contains("<title>s: 2.5 ms at 1 s</title>"), "{svg}");
}

#[test]
fn shapes_and_marks_differ_without_colour() {
    let mut chart = Chart {
        marks: [("changed", false), ("accepted", true)]
            .map(|(title, is_flag)| Mark {
                x: 0.5,
                title: title.into(),
                is_flag,
            })
            .into(),
        ..chart(&[(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0)])
    };
    let shapes = [Shape::Dot, Shape::Ring, Shape::Square, Shape::Cross];
    for (point, shape) in chart.lines[0].points.iter_mut().zip(shapes) {
        point.shape = shape;
        point.title = Some("what it is".into());
    }
    let svg = svg(&chart);
    assert_eq!(svg.matches("<title>what it is</title>").count(), 4, "{svg}");
    for sign in [
        "fill=\"var(--chart-back",
        "m-4.5 -4.5l9 9",
        "l-6 -9h12z",
        "h13v9h-13z",
    ] {
        assert_eq!(svg.matches(sign).count(), 1, "{sign}: {svg}");
    }
    assert!(svg.contains("Mark: changed. Mark: accepted."), "{svg}");
}

#[test]
fn pairs_are_joined_and_have_their_medians() {
    let mut chart = Chart {
        are_pairs: true,
        ..chart(&[(0.0, 1.0), (1.0, 3.0)])
    };
    let head = Line::through("head", &[(0.0, 2.0), (1.0, f64::NAN)]);
    chart.lines.push(head);
    let svg = svg(&chart);
    assert_eq!(svg.matches("class=\"stem\"").count(), 1, "{svg}");
    assert_eq!(svg.matches("class=\"median\"").count(), 2, "{svg}");
}
