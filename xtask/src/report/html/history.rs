//! The page of the past: a chart for each metric of each series of comparable runs.

use std::path::Path;

use k6_summary::{Quantity, Unit};
use load_charts::{Band, LineChart, Point as Dot, Series as Line, Shape, XAxis};
use minijinja::Value;
use serde::Serialize;

use super::past::{self, Line as Row};
use super::{page, safe};
use crate::history::{ComparableRuns, Metric, Point};
use crate::record::{Outcome, short_commit};
use crate::report::history::words;
use crate::report::rows;

/// How many of a series' newest runs are shown: a chart has no room for more.
const MOST: usize = 400;

#[derive(Serialize)]
struct Page<'a> {
    source: String,
    notices: &'a [String],
    series: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    name: String,
    place: String,
    runs: String,
    cut: String,
    accepted: Vec<String>,
    rows: Vec<Row>,
    charts: Vec<Chart>,
    list: Vec<Run>,
}

#[derive(Serialize)]
struct Chart {
    svg: Value,
    changes: Vec<String>,
}

#[derive(Serialize)]
struct Run {
    at: String,
    name: String,
    revision: String,
    versions: String,
    outcome: String,
}

/// Writes the page of `all` series that were read from `source`, with what is to be said of it.
///
/// # Errors
/// If the template does not fit, which is a mistake of ours.
pub fn history_page(
    all: &[ComparableRuns],
    notices: &[String],
    source: &Path,
) -> anyhow::Result<String> {
    page(
        "history.html",
        Page {
            source: source.display().to_string(),
            notices,
            series: all.iter().map(part).collect(),
        },
    )
}

fn part(series: &ComparableRuns) -> Part {
    let from = series.runs.saturating_sub(MOST);
    let worse = "worse than its fence allows";
    let cut = if from > 0 {
        format!("the newest {MOST} are shown")
    } else {
        String::new()
    };
    // A metric that came later lacks the first runs; the one with most points has them all.
    let whole = series
        .metrics
        .iter()
        .max_by_key(|metric| metric.points.len());
    let runs = whole.map_or(&[][..], |metric| &metric.points);
    let mut days = vec![String::new(); series.runs - from];
    for point in runs {
        let place = point.index.checked_sub(from);
        if let Some(day) = place.and_then(|place| days.get_mut(place)) {
            *day = point.at.get(..10).unwrap_or(&point.at).to_owned();
        }
    }
    Part {
        name: words::name(&series.key),
        place: words::place(&series.key),
        runs: words::runs(series),
        cut,
        accepted: series
            .accepted
            .iter()
            .map(|mark| words::accepted(mark, series.runs))
            .collect(),
        rows: series
            .metrics
            .iter()
            .map(|metric| past::line(&metric.last, worse))
            .collect(),
        charts: series
            .metrics
            .iter()
            .map(|metric| Chart {
                svg: safe(chart(series, metric, from, &days).svg()),
                changes: metric
                    .changes
                    .iter()
                    .map(|change| words::change(metric, change))
                    .collect(),
            })
            .collect(),
        list: runs
            .iter()
            .rev()
            .take(MOST)
            .map(|point| Run {
                at: when(point),
                name: point.run.clone(),
                revision: revision(point),
                versions: point.versions.clone(),
                outcome: outcome(point),
            })
            .collect(),
    }
}

fn chart(series: &ComparableRuns, metric: &Metric, from: usize, days: &[String]) -> LineChart {
    let points: Vec<&Point> = metric
        .points
        .iter()
        .filter(|point| point.index >= from)
        .collect();
    let greatest = points.iter().fold(0.0_f64, |most, p| most.max(p.value));
    let (unit, scale) = scale(metric.last.unit, greatest);
    let place = |index: usize| index as f64 - from as f64;
    let dots = points.iter().map(|point| {
        Dot::new(place(point.index), point.value * scale)
            .titled(title(metric, point))
            .shaped(shape(point))
    });
    let edges = points.iter().map(|point| {
        let (lower, upper) = point.fence.map_or((f64::NAN, f64::NAN), |fence| {
            (fence.lower * scale, fence.upper * scale)
        });
        (place(point.index), lower, upper)
    });
    let band = Band {
        name: "fence".into(),
        points: edges.collect(),
    };
    let has_fence = points.iter().any(|point| point.fence.is_some());
    let mut chart = LineChart::new(metric.last.metric.to_string(), unit)
        .axis(XAxis::Items {
            label: "runs, by date".into(),
            names: days.to_vec(),
        })
        .series(Line::new("run", dots.collect()).dots())
        .fit();
    if has_fence {
        chart = chart.band(band);
    }
    // A change lies between the last run without it and the first one with it.
    for change in metric.changes.iter().filter(|change| change.index > from) {
        let text = format!("change of level: {}", words::change(metric, change));
        chart = chart.mark(place(change.index) - 0.5, text);
    }
    for mark in series.accepted.iter().filter(|mark| mark.index >= from) {
        let text = words::accepted(mark, series.runs);
        chart = chart.flag(place(mark.index) - 0.5, text);
    }
    chart
}

/// The unit of a chart, and what values are multiplied with for it.
fn scale(unit: Unit, greatest: f64) -> (&'static str, f64) {
    match unit {
        Unit::Bytes if greatest >= 1e6 => ("MB", 1e-6),
        Unit::Bytes if greatest >= 1e4 => ("kB", 1e-3),
        Unit::Bytes => ("B", 1.0),
        Unit::Ratio => ("%", 100.0),
        Unit::Milliseconds => ("ms", 1.0),
        _ => ("", 1.0),
    }
}

fn shape(point: &Point) -> Shape {
    match (point.test_outcome, point.unfit) {
        (Outcome::Failed | Outcome::CouldNotRun, _) => Shape::Cross,
        (_, Some(_)) => Shape::Ring,
        (_, None) => Shape::Dot,
    }
}

/// What a point says of its run.
fn title(metric: &Metric, point: &Point) -> String {
    let quantity = |number| Quantity::new(number, metric.last.unit).to_string();
    let fence = point.fence.map(|fence| {
        let (lower, upper) = (quantity(fence.lower), quantity(fence.upper));
        match (fence.verdict, point.is_beyond()) {
            (true, true) => format!(" · beyond its fence of {lower} to {upper}"),
            (true, false) => format!(" · its fence: {lower} to {upper}"),
            (false, _) => format!(" · its fence, without a verdict: {lower} to {upper}"),
        }
    });
    format!(
        "{} · {} · {} · {} · {}{}",
        when(point),
        quantity(point.value),
        outcome(point),
        revision(point),
        point.versions,
        fence.unwrap_or_default()
    )
}

fn when(point: &Point) -> String {
    point.at.replace('T', " ").trim_end_matches('Z').to_owned()
}

fn revision(point: &Point) -> String {
    let commit = point.commit.as_deref().map(short_commit);
    let dirty = if point.dirty == Some(true) { "+" } else { "" };
    format!("{}{dirty}", commit.unwrap_or("unknown revision"))
}

/// What came of the test and of its run, and why it is no reference if that says more.
fn outcome(point: &Point) -> String {
    let mut words = rows::outcome(point.test_outcome).to_owned();
    if point.outcome != point.test_outcome {
        words += &format!(" in a run that was: {}", rows::outcome(point.outcome));
    }
    match point.unfit {
        Some(why) if !matches!(why, "failed" | "interrupted") => {
            format!("{words}, but {why}: no reference")
        }
        _ => words,
    }
}
