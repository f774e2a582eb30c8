//! How durations are distributed: the percentiles of k6's summary as a curve and, read the other way round, as a histogram.
//!
//! k6 computes percentiles from every sample. Between two of them, at most a twentieth of all requests apart, shares are
//! interpolated.

use std::path::Path;

use k6_summary::{Quantity, Summary, Unit};

use crate::report::chart::{Axis, Chart, ChartLine, Form};
use crate::report::text::Text;

/// The durations that are looked at, the first that there are.
const METRICS: [(&str, &str); 2] = [
    ("http_req_duration", "requests"),
    ("ws_connecting", "WebSockets opened"),
];
/// With fewer samples than this, percentiles are single requests.
const LEAST: f64 = 20.0;
/// The percentiles of the curve.
const CURVE: [f64; 11] = [
    1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0,
];
/// How many columns a histogram has at most.
const MOST: f64 = 24.0;
/// How many columns a power of ten may have, the most first: edges are at equal ratios, since durations of one test often
/// span a thousandfold.
const PER_DECADE: [f64; 4] = [16.0, 8.0, 4.0, 2.0];

/// The percentiles of a duration.
#[derive(Debug, PartialEq)]
pub struct Distribution {
    /// What took so long.
    what: &'static str,
    /// How many there were.
    count: f64,
    /// Percent and milliseconds, both rising.
    points: Vec<(f64, f64)>,
}

impl Distribution {
    /// Reads k6's summary at `path`; `None` if it has too little to say.
    pub fn read(path: &Path) -> Option<Self> {
        Self::of(&Summary::parse(&std::fs::read(path).ok()?).ok()?)
    }

    fn of(summary: &Summary) -> Option<Self> {
        let mut found = METRICS.iter().filter_map(|(name, what)| {
            let metric = summary.metric(name).filter(|metric| metric.has_samples())?;
            Some((metric, *what))
        });
        let (metric, what) = found.next()?;
        let count = metric.count().filter(|count| *count >= LEAST)?;
        let mut points: Vec<(f64, f64)> = metric
            .values
            .iter()
            .filter_map(|(name, value)| Some((percent(name)?, *value)))
            .filter(|(_, value)| value.is_finite() && *value >= 0.0)
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.dedup_by(|next, kept| next.0 == kept.0);
        let is_rising = points.windows(2).all(|pair| pair[0].1 <= pair[1].1);
        let has_ends = points.first()?.0 == 0.0 && points.last()?.0 == 100.0;
        (points.len() > 6 && is_rising && has_ends).then_some(Self {
            what,
            count,
            points,
        })
    }

    /// The curve and the histogram, with those of the run `before` behind them if it measured the same.
    pub fn charts(&self, before: Option<&Self>) -> Vec<Chart> {
        let before = before.filter(|before| before.what == self.what);
        vec![self.curve(before), self.histogram(before)]
    }

    fn curve(&self, before: Option<&Self>) -> Chart {
        let has = |percent: &f64| self.points.iter().any(|point| point.0 == *percent);
        let percents: Vec<f64> = CURVE.into_iter().filter(has).collect();
        let names = percents.iter().map(|percent| match percent {
            100.0 => "max".into(),
            percent => format!("p{percent}").into(),
        });
        let line = |name: &str, of: &Self| {
            let at = percents.iter().enumerate();
            let points: Vec<(f64, f64)> =
                at.map(|(x, percent)| (x as f64, of.at(*percent))).collect();
            ChartLine::through(name, &points)
        };
        let axis = Axis::Bins {
            label: "percentile",
            names: names.collect(),
        };
        let then = before.map(|before| line("run before", before).drawn(Form::Before));
        Chart {
            lines: std::iter::once(line("this run", self))
                .chain(then)
                .collect(),
            ..Chart::new(
                format!("Percentiles of {} {}", count(self.count), self.what),
                "ms",
                axis,
            )
        }
    }

    fn histogram(&self, before: Option<&Self>) -> Chart {
        let all = std::iter::once(self).chain(before);
        let positive = all.clone().flat_map(|it| &it.points).map(|point| point.1);
        let least = positive
            .filter(|ms| *ms > 0.0)
            .fold(f64::INFINITY, f64::min);
        let most = all.map(|it| it.at(100.0)).fold(least, f64::max);
        let edges = edges(least, most);
        let line = |name: &str, of: &Self| {
            let bins = edges.windows(2).enumerate();
            let points: Vec<(f64, f64)> = bins
                .map(|(x, edge)| (x as f64, of.share_below(edge[1]) - of.share_below(edge[0])))
                .collect();
            ChartLine::through(name, &points)
        };
        let names = edges.windows(2).map(|edge| -> Text {
            let ms = |edge: f64| Quantity::new(edge, Unit::None).to_string();
            format!("{}–{}", ms(edge[0]), ms(edge[1])).into()
        });
        let axis = Axis::Bins {
            label: "ms, at equal ratios",
            names: names.collect(),
        };
        let then = before.map(|before| line("run before", before).drawn(Form::Before));
        Chart {
            lines: std::iter::once(line("this run", self).drawn(Form::Columns))
                .chain(then)
                .collect(),
            ..Chart::new("Histogram", format!("% of {}", self.what), axis)
        }
    }

    /// The duration at `percent`, in milliseconds.
    fn at(&self, percent: f64) -> f64 {
        let next = self.points.iter().position(|point| point.0 >= percent);
        match next {
            None => f64::NAN,
            Some(0) => self.points[0].1,
            Some(next) => between(self.points[next - 1], self.points[next], percent),
        }
    }

    /// How many percent took less than `ms`; at the greatest duration it is all.
    fn share_below(&self, ms: f64) -> f64 {
        let turned = |(percent, ms): (f64, f64)| (ms, percent);
        let next = self.points.iter().position(|point| point.1 >= ms);
        match next {
            None => 100.0,
            Some(0) => 0.0,
            Some(next) => between(turned(self.points[next - 1]), turned(self.points[next]), ms),
        }
    }
}

/// The percentile that a value of a summary is.
fn percent(name: &str) -> Option<f64> {
    match name {
        "min" => Some(0.0),
        "med" => Some(50.0),
        "max" => Some(100.0),
        name => {
            let percent = name.strip_prefix("p(")?.strip_suffix(')')?;
            percent.parse().ok().filter(|it| (0.0..=100.0).contains(it))
        }
    }
}

/// The height at `x` of the line from one point to the next.
fn between((x0, y0): (f64, f64), (x1, y1): (f64, f64), x: f64) -> f64 {
    y0 + (y1 - y0) * ((x - x0) / (x1 - x0)).clamp(0.0, 1.0)
}

/// Edges at equal ratios around all from `least` to `most`.
fn edges(least: f64, most: f64) -> Vec<f64> {
    let span = |per: f64| {
        (
            (least.log10() * per).floor(),
            (most.log10() * per).floor() + 1.0,
        )
    };
    let fits = |per: &f64| span(*per).1 - span(*per).0 <= MOST;
    let per = PER_DECADE.into_iter().find(fits).unwrap_or(1.0);
    let (from, to) = span(per);
    (from as i64..=to as i64)
        .map(|nth| 10_f64.powf(nth as f64 / per))
        .collect()
}

fn count(number: f64) -> String {
    Quantity::new(number, Unit::Count).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A half at 1 to 2 ms, the other at 100 to 200 ms.
    fn two_modes() -> Distribution {
        Distribution {
            what: "requests",
            count: 1000.0,
            points: vec![
                (0.0, 1.0),
                (25.0, 1.5),
                (50.0, 2.0),
                (51.0, 100.0),
                (75.0, 150.0),
                (100.0, 200.0),
            ],
        }
    }

    #[test]
    fn percentiles_and_shares_are_each_others_inverse() {
        let all = two_modes();
        for percent in [0.0, 10.0, 50.0, 60.0, 99.0, 100.0] {
            let back = all.share_below(all.at(percent));
            assert!((back - percent).abs() < 1e-9, "{percent}: {back}");
        }
        assert_eq!(all.at(25.0), 1.5);
        assert_eq!((all.share_below(0.5), all.share_below(1e9)), (0.0, 100.0));
    }

    #[test]
    fn a_histogram_has_every_request_and_both_modes() {
        let chart = two_modes().histogram(Some(&two_modes()));
        let heights: Vec<f64> = chart.lines[0].points.iter().map(|point| point.y).collect();
        assert!(
            (heights.iter().sum::<f64>() - 100.0).abs() < 1e-9,
            "{heights:?}"
        );
        assert!(heights.len() <= MOST as usize);
        let valley = heights[heights.len() / 2];
        let peak = heights.iter().copied().fold(0.0, f64::max);
        assert!(valley < 1.0 && peak > 8.0, "{heights:?}");
        assert_eq!(chart.lines[1].form, Form::Before);
    }

    #[test]
    fn edges_hold_everything() {
        for (least, most) in [(1.0, 1.0), (0.003, 60_000.0), (2.9, 3.1), (1e-6, 1e9)] {
            let edges = edges(least, most);
            assert!(
                edges[0] <= least * 1.000_001 && *edges.last().unwrap() >= most,
                "{edges:?}"
            );
            assert!(
                edges.len() > 1 && edges.len() <= MOST as usize + 1,
                "{edges:?}"
            );
        }
    }

    #[test]
    fn what_k6_wrote_is_read_and_little_is_nothing() {
        let summary = |count: u32, percentiles: &str| {
            let text = format!(
                r#"{{"metrics": {{"http_req_duration": {{"type": "trend", "contains": "time", "values":
                {{"count": {count}, "min": 1, "med": 4, "max": 9, "avg": 4{percentiles}}}}}}},
                "root_group": {{"name": "", "path": "", "id": "", "groups": [], "checks": []}},
                "state": {{"testRunDurationMs": 1000}}}}"#
            );
            Distribution::of(&Summary::parse(text.as_bytes()).unwrap())
        };
        let percentiles = r#", "p(5)": 2, "p(25)": 3, "p(75)": 5, "p(90)": 6, "p(99.9)": 8"#;
        let read = summary(100, percentiles).unwrap();
        assert_eq!(read.points.len(), 8);
        assert_eq!((read.at(50.0), read.at(99.9)), (4.0, 8.0));
        assert_eq!(summary(19, percentiles), None);
        assert_eq!(
            summary(100, r#", "p(90)": 6, "p(95)": 7"#),
            None,
            "an older run"
        );
    }
}
