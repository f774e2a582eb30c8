//! What a report says of the load that a server withstands.

use std::path::Path;

use k6_summary::{Quantity, Unit};

use super::run::files;
use super::{Heads, Row, Section, Table, Tone, count, known, lines, number, outcome, took};
use crate::record::{
    CapacityRecord, LoadUnit, ResourcesRecord, SearchEnd, StepOutcome, StepRecord, TestRecord,
    plural, share,
};
use crate::report::chart::{Axis, Chart, ChartLine, Point, PointShape};
use crate::report::text::Text;

const HEADS: Heads = Heads {
    what: "Load",
    value: "Requests",
    bound: "",
    more: &[
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "Failed",
        "Server CPU",
        "k6 CPU",
    ],
};
const HINT: &str = "Each row is a load, in the order of the loads: ✓ held, ✗ did not, ! held in some steps only, – could not be made; 3/5: it held in 3 of 5 steps. CPU is the share of all cores of this machine.";
/// From which share on a law that must hold is named where it does not.
const DISAGREES: f64 = 0.1;

/// The report of `found` in `test`, whose files are in the run's `folder`.
pub fn section(test: &TestRecord, found: &CapacityRecord, folder: &Path) -> Section {
    let all = by_load(&found.steps);
    let (answer, cause) = (found.answer(), found.cause.as_ref());
    let gave_way = cause.map_or_else(String::new, |cause| format!("; limit: {}", cause.what));
    Section {
        name: test.name.as_str().into(),
        outcome: Some(test.outcome),
        tone: Tone::of(test.outcome),
        verdict: outcome(test.outcome).into(),
        line: line(found).into(),
        brief: format!("{answer}{gave_way}").into(),
        reasons: lines(&test.reasons),
        notes: notes(found).into_iter().map(Text::from).collect(),
        curve: Table {
            title: format!("By load, in {}", found.unit.words()).into(),
            heads: HEADS,
            rows: all.iter().map(|steps| row(steps)).collect(),
            hint: HINT,
            ..Table::default()
        },
        charts: charts(found, &all),
        p95_ms: all
            .iter()
            .filter_map(|steps| mean(steps, |step| step.p95_ms))
            .collect(),
        links: files(folder, &test.name, &[("k6.log", "k6's log")]),
        at: test.started_at.as_deref().unwrap_or_default().into(),
        seconds: found.steps.iter().map(|step| step.duration_s).sum(),
        ..Section::default()
    }
}

/// What was found in all tests, if it was searched for in any.
pub fn overview(tests: &[TestRecord]) -> Option<Table> {
    let found = tests.iter().map(|test| (test, test.capacity.as_ref()));
    let rows: Vec<Row> = found
        .map(|(test, found)| Row {
            tone: Tone::of(test.outcome),
            what: test.name.as_str().into(),
            more: vec![
                known(found.map(CapacityRecord::answer)),
                known(found.and_then(|found| Some(&found.cause.as_ref()?.what))),
            ],
            ..Row::default()
        })
        .collect();
    let is_any = tests.iter().any(|test| test.capacity.is_some());
    is_any.then(|| Table {
        title: "Capacity".into(),
        heads: Heads {
            what: "Test",
            more: &["Capacity", "What gave way"],
            ..Heads::default()
        },
        rows,
        ..Table::default()
    })
}

/// How it was searched for, and how sure the answer is.
fn line(found: &CapacityRecord) -> String {
    let seconds = found.steps.iter().map(|step| step.duration_s).sum();
    // Why it broke is the reason of the test.
    let ended = match &found.ended {
        SearchEnd::ResolutionReached | SearchEnd::Broken(_) => String::new(),
        SearchEnd::Budget => ", when the budget was spent".into(),
        SearchEnd::Generator => ", when k6 could make no more load".into(),
        SearchEnd::Interrupted => ", when it was interrupted".into(),
    };
    format!(
        "probability {}, resolution {}, load for {} in {}{ended}",
        share(found.level),
        share(found.resolution),
        took(seconds),
        plural(found.steps.len() as u64, "step")
    )
}

/// What is to be said of it, in sentences: what gave way, what was confirmed, and what its durations leave out.
fn notes(found: &CapacityRecord) -> Vec<String> {
    let cause = found.cause.iter().map(|cause| cause.sentence.clone());
    let mut notes: Vec<String> = cause.collect();
    if found.ended == SearchEnd::ResolutionReached {
        let sides = [
            (found.confirmed.below, "below the edge was not confirmed"),
            (found.confirmed.above, "above the edge was not confirmed"),
        ];
        let open = sides.iter().filter(|(confirmed, _)| !confirmed);
        notes.extend(open.map(|(_, what)| format!("the load just {what}")));
    }
    notes.extend(found.steps.iter().filter_map(littles_law));
    if found.unit == LoadUnit::IterationsPerSecond {
        notes.push(omission(&found.steps));
    }
    notes
}

/// Where the users there were are not those that by Little's law were busy, throughput times the time of an iteration
/// with its pauses, why that may be.
///
/// Source: J. D. C. Little, A Proof for the Queuing Formula L = λW, Operations Research 9 (1961).
fn littles_law(step: &StepRecord) -> Option<String> {
    // What was cut off in the middle has begun more than it ended.
    if !matches!(step.outcome, StepOutcome::Held | StepOutcome::Failed) {
        return None;
    }
    let (users, took_ms) = (step.mean_users.filter(|it| *it > 0.0)?, step.iteration_ms?);
    let busy = step.iterations_per_second * took_ms / 1e3;
    let apart = busy / users - 1.0;
    let count = |number| Quantity::new(f64::round(number * 10.0) / 10.0, Unit::Count);
    (apart.abs() > DISAGREES).then(|| {
        let why = if apart < 0.0 {
            "the others began iterations that did not end with the load, or waited for k6"
        } else {
            "iterations that outlast the load count too"
        };
        format!(
            "Little's law, at {} users: {} iterations/s of {} keep {} users busy, and there were {}: {why}",
            step.load,
            count(step.iterations_per_second),
            Quantity::new(took_ms, Unit::Milliseconds),
            count(busy),
            count(users)
        )
    })
}

/// What durations under a rate leave out. k6 begins no iteration late: it drops those for which no user is free, and no
/// duration has the wait that they would have had.
fn omission(steps: &[StepRecord]) -> String {
    let dropped: u64 = steps.iter().map(|step| step.dropped_iterations).sum();
    let most = steps.iter().map(dropped_share).fold(0.0, f64::max);
    match dropped {
        0 => "all iterations began in time, so that durations leave no wait out".into(),
        _ => format!(
            "durations have no wait for a free user: k6 drops iterations that cannot begin in time, up to {} of a step; were they its slowest, its p95 would be the p{:.0} of all",
            share(most),
            95.0 * (1.0 - most)
        ),
    }
}

/// The share of a step's iterations that could not begin.
fn dropped_share(step: &StepRecord) -> f64 {
    let dropped = step.dropped_iterations as f64;
    let began = step.iterations_per_second * step.duration_s;
    dropped / (dropped + began).max(f64::MIN_POSITIVE)
}

/// The steps by rising load, those of one load together.
fn by_load(steps: &[StepRecord]) -> Vec<Vec<&StepRecord>> {
    let mut all: Vec<&StepRecord> = steps.iter().collect();
    all.sort_by_key(|step| step.load);
    let same = all.chunk_by(|a, b| a.load == b.load);
    same.map(<[_]>::to_vec).collect()
}

/// The mean of what is known of steps.
fn mean(steps: &[&StepRecord], of: Of) -> Option<f64> {
    let values: Vec<f64> = steps.iter().filter_map(|step| of(step)).collect();
    let count = values.len() as f64;
    (count > 0.0).then(|| values.iter().sum::<f64>() / count)
}

fn server(used: &ResourcesRecord) -> Option<f64> {
    Some(used.server_user? + used.server_system?)
}

/// How many of `steps` held, and how many were judged.
fn held(steps: &[&StepRecord]) -> (usize, usize) {
    let came_to = |what| steps.iter().filter(|step| step.outcome == what).count();
    let held = came_to(StepOutcome::Held);
    (held, held + came_to(StepOutcome::Failed))
}

fn row(steps: &[&StepRecord]) -> Row {
    let text = |of: Of, unit| number(mean(steps, of), unit).into();
    let part = |of: Of| known(mean(steps, of).map(|part| format!("{:.0} %", part * 100.0)));
    let load = steps.first().map_or(0, |step| step.load);
    let (held, judged) = held(steps);
    Row {
        tone: match held {
            _ if judged == 0 => Tone::Open,
            0 => Tone::Bad,
            all if all == judged => Tone::Good,
            _ => Tone::Warn,
        },
        what: count(load).into(),
        value: text(|step| Some(step.requests_per_second), Unit::PerSecond),
        more: vec![
            text(|step| step.p50_ms, Unit::None),
            text(|step| step.p95_ms, Unit::None),
            text(|step| step.p99_ms, Unit::None),
            text(|step| step.failed_ratio, Unit::Ratio),
            part(|step| server(&step.resources)),
            part(|step| step.resources.generator_cpu),
        ],
        note: match judged {
            0 | 1 => Text::default(),
            _ => format!("{held}/{judged}").into(),
        },
        ..Row::default()
    }
}

/// A figure of a step.
type Of = fn(&StepRecord) -> Option<f64>;

/// Durations, throughput, failures and CPU by load, each with the interval.
fn charts(found: &CapacityRecord, all: &[Vec<&StepRecord>]) -> Vec<Chart> {
    if all.len() < 2 {
        return Vec::new();
    }
    let chart = |title: &str, unit: &str, parts: &[(&str, Of)]| {
        let mut chart = Chart::new(title, unit, Axis::Load(found.unit.words()));
        let known = parts.iter().map(|(name, of)| line_of(name, all, *of));
        chart.lines = known.filter(|line| !line.points.is_empty()).collect();
        let points = chart.lines.iter().flat_map(|line| &line.points);
        let top = points.map(|point| point.y).fold(0.0, f64::max);
        let (from, to) = (found.interval.at_least, found.interval.below);
        chart.band = to.map_or_else(Vec::new, |to| vec![(from, 0.0, top), (to, 0.0, top)]);
        chart.band_name = format!("the edge: {}", found.answer()).into();
        chart
    };
    let durations: [(&str, Of); 3] = [
        ("p50", |step| step.p50_ms),
        ("p95", |step| step.p95_ms),
        ("p99", |step| step.p99_ms),
    ];
    let throughput: [(&str, Of); 2] = [
        ("requests", |step| Some(step.requests_per_second)),
        ("iterations", |step| Some(step.iterations_per_second)),
    ];
    let cpu: [(&str, Of); 2] = [
        ("server", |step| percent(server(&step.resources))),
        ("k6", |step| percent(step.resources.generator_cpu)),
    ];
    let charts = [
        chart("Duration of requests by load", "ms", &durations),
        chart("Throughput by load", "a second", &throughput),
        chart("CPU by load", "% of all cores", &cpu),
        chart(
            "Failed requests by load",
            "%",
            &[("failed requests", |step| percent(step.failed_ratio))],
        ),
    ];
    charts
        .into_iter()
        // Nothing but zeros, as of failed requests, is no curve.
        .filter(|chart| {
            chart
                .lines
                .iter()
                .flat_map(|line| &line.points)
                .any(|point| point.y > 0.0)
        })
        .collect()
}

fn percent(part: Option<f64>) -> Option<f64> {
    part.map(|part| part * 100.0)
}

fn line_of(name: &str, all: &[Vec<&StepRecord>], of: Of) -> ChartLine {
    let points = all.iter().filter_map(|steps| {
        let (held, judged) = held(steps);
        Some(Point {
            x: steps.first()?.load as f64,
            y: mean(steps, of)?,
            title: None,
            shape: match held == judged {
                true => PointShape::Dot,
                false => PointShape::Cross,
            },
        })
    });
    let points = points.collect();
    ChartLine {
        points,
        ..ChartLine::through(name, &[])
    }
}
