//! Charts from odd data.

use super::*;

fn chart(points: &[(f64, f64)]) -> Chart {
    Chart {
        lines: vec![ChartLine::through("s", points)],
        ..Chart::new("T", "ms", Axis::Seconds(0.0..0.0))
    }
}

fn svg(chart: &Chart) -> String {
    draw::figure(chart).to_string()
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
        svg.contains("role=\"img\"")
            && svg.contains("s: 2 values, minimum 1, maximum 2.5, the last 2.5."),
        "{svg}"
    );
    assert!(svg.contains("<title>s: 2.5 ms at 1 s</title>"), "{svg}");
}

#[test]
fn pairs_are_joined_and_have_their_medians() {
    let mut chart = Chart {
        are_pairs: true,
        ..chart(&[(0.0, 1.0), (1.0, 3.0)])
    };
    let head = ChartLine::through("head", &[(0.0, 2.0), (1.0, f64::NAN)]);
    chart.lines.push(head);
    let svg = svg(&chart);
    assert_eq!(svg.matches("class=\"stem\"").count(), 1, "{svg}");
    assert_eq!(svg.matches("class=\"median\"").count(), 2, "{svg}");
}
