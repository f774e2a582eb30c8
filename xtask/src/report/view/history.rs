//! What a page says of the past: a chart for each metric of each series of comparable runs.

mod builds;
mod words;

use std::path::Path;

use super::{
    Document, Heads, Row, Section, Table, amount, chart_unit, lines, outcome, past, revision, when,
};
use crate::history::{Builds, ComparableRuns, HistoryPoint, Metric};
use crate::record::Outcome;
use crate::report::chart::{Axis, Chart, ChartLine, Form, Mark, Point, PointShape};
use crate::report::text::Text;

pub use words::{name, place};

/// How many of a series' newest runs are shown: a chart has no room for more.
const MOST: usize = 400;

/// The report of all series and comparisons from build to build that were read from `source`, with what is to be said of
/// it.
pub fn history(
    all: &[ComparableRuns],
    builds: &[Builds],
    notices: &[String],
    source: &Path,
) -> Document {
    Document {
        subject: "history".into(),
        outcome: Outcome::Passed,
        title: "Load tests: the past".into(),
        line: format!("From {}. Only comparable runs share a chart: same test, profile, scales, kind of target, k6 version, host and tests before it.", source.display()).into(),
        notices: lines(notices),
        sections: all.iter().map(section).chain(builds.iter().map(builds::section)).collect(),
        ..Document::default()
    }
}

fn section(series: &ComparableRuns) -> Section {
    let from = series.runs.saturating_sub(MOST);
    let cut = match from {
        0 => String::new(),
        _ => format!("; the newest {MOST} are shown"),
    };
    // A metric that came later lacks the first runs; the one with most points has them all.
    let metrics = series.metrics.iter();
    let whole = metrics.max_by_key(|metric| metric.points.len());
    let runs = whole.map_or(&[][..], |metric| &metric.points);
    let mut days = vec![Text::default(); series.runs - from];
    for point in runs {
        let place = point.index.checked_sub(from);
        if let Some(day) = place.and_then(|place| days.get_mut(place)) {
            *day = point.at.get(..10).unwrap_or(&point.at).into();
        }
    }
    let accepted = series.accepted.iter();
    Section {
        name: name(&series.key).into(),
        line: place(&series.key).into(),
        notes: std::iter::once(words::runs(series) + &cut)
            .chain(accepted.map(|mark| words::accepted(mark, series.runs)))
            .map(Text::from)
            .collect(),
        compared: past::newest(&series.metrics),
        charts: series
            .metrics
            .iter()
            .map(|metric| chart(series, metric, from, &days))
            .collect(),
        details: vec![Table {
            title: "The runs as a table".into(),
            heads: Heads {
                what: "Test started (UTC)",
                more: &["Run", "Revision", "Versions", "Outcome"],
                ..Heads::default()
            },
            rows: runs.iter().rev().take(MOST).map(one_run).collect(),
            ..Table::default()
        }],
        ..Section::default()
    }
}

fn one_run(point: &HistoryPoint) -> Row {
    Row {
        what: when(&point.at).into(),
        more: vec![
            point.run.as_str().into(),
            revision_of(point).into(),
            point.versions.as_str().into(),
            outcome_text(point).into(),
        ],
        ..Row::default()
    }
}

fn chart(series: &ComparableRuns, metric: &Metric, from: usize, days: &[Text]) -> Chart {
    let shown = metric.points.iter().filter(|point| point.index >= from);
    let points: Vec<&HistoryPoint> = shown.collect();
    let greatest = points.iter().fold(0.0_f64, |most, p| most.max(p.value));
    let (unit, scale) = chart_unit(&metric.last.metric, greatest);
    let place = |index: usize| index as f64 - from as f64;
    let dots = points.iter().map(|point| Point {
        x: place(point.index),
        y: point.value * scale,
        title: Some(title(metric, point)),
        shape: shape(point),
    });
    let edges = points.iter().map(|point| {
        let edges = point.fence.map_or((f64::NAN, f64::NAN), |fence| {
            (fence.lower * scale, fence.upper * scale)
        });
        (place(point.index), edges.0, edges.1)
    });
    // A change lies between the last run without it and the first one with it.
    let mark = |index: usize, is_flag, title: String| Mark {
        x: place(index) - 0.5,
        title: title.into(),
        is_flag,
    };
    let words = |change| words::change(metric, change);
    let changes = metric.changes.iter().filter(|change| change.index > from);
    let changes = changes.map(|change| {
        let text = format!("change of level: {}", words(change));
        mark(change.index, false, text)
    });
    let accepted = series.accepted.iter().filter(|mark| mark.index >= from);
    let accepted = accepted.map(|it| mark(it.index, true, words::accepted(it, series.runs)));
    Chart {
        lines: vec![ChartLine {
            name: "run".into(),
            points: dots.collect(),
            form: Form::Joined,
        }],
        band: edges.collect(),
        marks: changes.chain(accepted).collect(),
        notes: metric.changes.iter().map(words).map(Text::from).collect(),
        ..Chart::new(
            metric.last.metric.to_string(),
            unit,
            Axis::Items {
                label: "runs, by date",
                names: days.to_vec(),
            },
        )
    }
}

fn shape(point: &HistoryPoint) -> PointShape {
    match (point.test_outcome, point.unfit) {
        (Outcome::Failed | Outcome::CouldNotRun, _) => PointShape::Cross,
        (_, Some(_)) => PointShape::Ring,
        (_, None) => PointShape::Dot,
    }
}

/// What a point says of its run.
fn title(metric: &Metric, point: &HistoryPoint) -> Text {
    let quantity = |number| amount(&metric.last.metric, number);
    let fence = point.fence.map(|fence| {
        let (lower, upper) = (quantity(fence.lower), quantity(fence.upper));
        match (fence.verdict, point.is_beyond(metric.kind)) {
            (true, true) => format!(" · beyond its fence of {lower} to {upper}"),
            (true, false) => format!(" · its fence: {lower} to {upper}"),
            (false, _) => format!(" · its fence, without a verdict: {lower} to {upper}"),
        }
    });
    format!(
        "{} · {} · {} · {} · {}{}",
        when(&point.at),
        quantity(point.value),
        outcome_text(point),
        revision_of(point),
        point.versions,
        fence.unwrap_or_default()
    )
    .into()
}

/// The revision of a run.
fn revision_of(point: &HistoryPoint) -> String {
    revision(point.commit.as_deref(), point.dirty == Some(true))
}

/// The outcome of the test and of its run, and why it is no reference if that says more.
fn outcome_text(point: &HistoryPoint) -> String {
    let mut words = outcome(point.test_outcome).to_owned();
    if point.outcome != point.test_outcome {
        words += &format!(" in a run that was: {}", outcome(point.outcome));
    }
    match point.unfit {
        Some(why) if [point.outcome, point.test_outcome] == [Outcome::Passed; 2] => {
            format!("{words}, but {why}: no reference")
        }
        _ => words,
    }
}
