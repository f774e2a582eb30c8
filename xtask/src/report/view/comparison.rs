//! What a report says of a comparison.

use std::cmp::Ordering;
use std::path::Path;

use clap::ValueEnum as _;
use k6_summary::{Quantity, Unit};

use super::run::files;
use super::{
    Document, Forest, Heads, Row, Section, Table, Tone, amount, chart_unit, functions, lines,
    searches,
};
use crate::record::{
    Blocks, Calibration, Change, Comparison, Kind, LoadUnit, MetricRecord, Outcome, SideRecord,
    TestComparison, percent, share, short_commit,
};
use crate::report::chart::{Axis, Chart, ChartLine, Form, Point, PointShape, position};
use crate::report::text::Text;

const HEADS: Heads = Heads {
    what: "Metric",
    value: "Head",
    bound: "Base",
    more: &["Change", "95 % interval", "p", "Floor"],
};
const FLAMES: [(&str, &str); 3] = [
    ("flame-diff.svg", "flame graph of the difference"),
    ("flame-base.svg", "of the base"),
    ("flame-head.svg", "of the head"),
];
/// How wide the line of an interval is, and how far it stays from the edge, in px.
const FOREST: (f64, f64) = (240.0, 6.0);
const HINT: &str = "Change is the ratio of head to base; for failed requests, the difference. On the line the square is the change, the bar its interval and the grey field the floor. A metric is reported if p, corrected for all metrics and interim looks, is at most the significance level and the near end of the interval lies beyond the floor.";

/// The report of `comparison`, which rests on `blocks`.
pub fn comparison(comparison: &Comparison, blocks: &Blocks, folder: &Path) -> Document {
    let sections = comparison
        .tests
        .iter()
        .map(|test| section(test, comparison, blocks, folder));
    let mut sections: Vec<Section> = sections.collect();
    sections.sort_by_key(|section| section.tone);
    let files = ["blocks.json", "compare.json", "summary.md"];
    Document {
        subject: "compare".into(),
        is_comparison: true,
        outcome: comparison.outcome,
        tone: tone(comparison),
        verdict: verdict(comparison).into(),
        title: format!(
            "{} against {}",
            side(&comparison.head),
            side(&comparison.base)
        )
        .into(),
        line: method(comparison).into(),
        reasons: lines(&comparison.reasons),
        notices: lines(&comparison.notices),
        remarks: comparison
            .calibration
            .as_ref()
            .map(calibration)
            .unwrap_or_default(),
        sections,
        facts: vec![
            ("started", comparison.started_at.as_str().into()),
            ("method", method(comparison).into()),
            ("k6", comparison.k6.as_str().into()),
            ("host", comparison.host.fingerprint.as_str().into()),
        ],
        repeat: vec![repeat(comparison, blocks)],
        links: files.map(|name| (name.into(), name.into())).into(),
        at: comparison.started_at.as_str().into(),
        seconds: comparison.duration_s,
        ..Document::default()
    }
}

/// What could not be judged gets no green tick.
fn tone(comparison: &Comparison) -> Tone {
    match comparison.outcome {
        Outcome::Passed if comparison.of(Change::NotJudged).next().is_some() => Tone::Warn,
        outcome => Tone::of(outcome),
    }
}

/// The verdict on the whole comparison, in words.
fn verdict(comparison: &Comparison) -> String {
    let all = comparison.tests.iter().flat_map(|test| &test.metrics);
    let better = all.filter(|metric| metric.change == Change::Improvement);
    let open = match comparison.of(Change::NotJudged).count() {
        0 => String::new(),
        1 => ", one metric could not be judged".into(),
        n => format!(", {n} metrics could not be judged"),
    };
    match (comparison.outcome, better.count()) {
        (Outcome::Passed, _) if comparison.is_same => {
            "THE SAME PROGRAM, nothing was measured".into()
        }
        (Outcome::Failed, _) => "WORSE".into(),
        (Outcome::Interrupted, _) => "INTERRUPTED".into(),
        (Outcome::CouldNotRun | Outcome::NotRun, _) => "COULD NOT COMPARE".into(),
        (Outcome::Passed, 0) => format!("NOTHING IS WORSE{open}"),
        (Outcome::Passed, 1) => format!("NOTHING IS WORSE, one metric is better{open}"),
        (Outcome::Passed, n) => format!("NOTHING IS WORSE, {n} metrics are better{open}"),
    }
}

/// A side in words.
pub fn side(side: &SideRecord) -> String {
    let commit = side.commit.as_deref().map(|commit| {
        let dirty = if side.dirty {
            " with uncommitted changes"
        } else {
            ""
        };
        format!(" ({}{dirty})", short_commit(commit))
    });
    format!("{}{}", side.name, commit.unwrap_or_default())
}

/// How it was measured, in a line.
fn method(comparison: &Comparison) -> String {
    let tests = comparison.tests.iter();
    let tests: Vec<String> = tests
        .map(|test| format!("{} {} pairs", test.name, test.pairs))
        .collect();
    let each = match &comparison.capacity {
        Some(asked) => format!(", each searched to {}", share(asked.resolution)),
        None => format!(" of {} s", comparison.block_s),
    };
    let pairs = format!(
        "of at most {}{each}; seed {}; level {} for everything together",
        comparison.planned,
        comparison.seed,
        share(comparison.alpha)
    );
    [tests, vec![pairs]].concat().join(", ")
}

/// What head against itself came to, in sentences.
fn calibration(found: &Calibration) -> Vec<Text> {
    let often = found.most_often.as_ref();
    let often = often.map_or_else(String::new, |metric| format!(", most often {metric}"));
    let mut out = vec![format!(
        "head against itself: {} of {} comparisons of at most {} pairs drawn from these raise a false alarm ({}){often}",
        found.false_regressions,
        found.draws,
        found.pairs,
        share(found.false_regressions as f64 / found.draws as f64)
    )];
    out.extend(found.found.iter().map(|found| {
        format!(
            "{} +{}: found in {}, alone in {}, after {} pairs",
            found.metric,
            share(found.change),
            share(found.share),
            share(found.alone),
            found.pairs
        )
    }));
    out.into_iter().map(Text::from).collect()
}

fn section(
    test: &TestComparison,
    comparison: &Comparison,
    blocks: &Blocks,
    folder: &Path,
) -> Section {
    let mut metrics: Vec<&MetricRecord> = test.metrics.iter().collect();
    metrics.sort_by(|a, b| {
        worst_first(a)
            .partial_cmp(&worst_first(b))
            .unwrap_or(Ordering::Equal)
    });
    let limit = limit(&metrics);
    let has = |change| test.metrics.iter().any(|metric| metric.change == change);
    Section {
        name: test.name.as_str().into(),
        tone: if has(Change::Regression) || !test.worse_failures.is_empty() {
            Tone::Bad
        } else if has(Change::NotJudged) {
            Tone::Open
        } else {
            Tone::Good
        },
        line: format!("{} pairs", test.pairs).into(),
        brief: format!("{} pairs", test.pairs).into(),
        reasons: lines(&test.worse_failures),
        notes: lines(&test.in_both),
        compared: Table {
            heads: HEADS,
            rows: metrics.iter().map(|metric| row(metric, limit)).collect(),
            hint: HINT,
            title: "Metrics, the worst first".into(),
            scale: Some((percent(-limit).into(), percent(limit).into())),
        },
        functions: (searches::pairs(test).into_iter())
            .chain(functions::compared(test, &comparison.sampled, blocks))
            .collect(),
        links: files(folder, &test.name, &FLAMES),
        charts: metrics
            .iter()
            .map(|metric| pairs(metric, &test.name, blocks))
            .collect(),
        at: comparison.started_at.as_str().into(),
        ..Section::default()
    }
}

/// What metrics are sorted by: what is worse first, the greatest change before the smaller.
fn worst_first(metric: &MetricRecord) -> (u8, f64) {
    let rank = match metric.change {
        Change::Regression => 0,
        Change::NotJudged => 1,
        Change::Unchanged => 2,
        Change::Improvement => 3,
    };
    let estimate = metric
        .evidence
        .as_ref()
        .map_or(0.0, |evidence| evidence.estimate);
    (rank, -estimate)
}

/// How far the line that intervals are drawn on goes to either side: to the end of the widest one, or as far as
/// changes go if that would press the others flat.
fn limit(metrics: &[&MetricRecord]) -> f64 {
    let evidence = metrics.iter().filter_map(|metric| metric.evidence.as_ref());
    let changes = evidence.clone().map(|it| it.estimate.abs() * 1.1);
    let changes = changes.filter(|it| it.is_finite()).fold(0.15, f64::max);
    let ends: Vec<f64> = evidence
        .map(|it| it.low.abs().max(it.high.abs()))
        .filter(|end| end.is_finite())
        .collect();
    let widest = ends.iter().copied().fold(0.0, f64::max);
    let most = load_stats::median(&ends).map_or(widest, |middle| middle * 12.0);
    let limit = widest.min(most.max(changes)).max(0.01);
    // Two digits, rounded up, for its text.
    let step = 10_f64.powf(limit.log10().floor() - 1.0);
    (limit / step).ceil() * step
}

/// The interval of a metric on a line from `-limit` to `limit`.
fn forest(metric: &MetricRecord, limit: f64) -> Option<Forest> {
    let evidence = metric.evidence.as_ref()?;
    let place = |change: f64| position(&(-limit..limit), &(FOREST.1..FOREST.0 - FOREST.1), change);
    let finite = [evidence.low, evidence.estimate, evidence.high];
    finite.iter().all(|end| end.is_finite()).then(|| Forest {
        low: place(evidence.low),
        high: place(evidence.high),
        estimate: place(evidence.estimate),
        zero: place(0.0),
        floor: (place(-evidence.floor), place(evidence.floor)),
        cut: (evidence.low < -limit, evidence.high > limit),
        words: format!(
            "{} changed by {}, between {} and {}",
            metric.metric,
            percent(evidence.estimate),
            percent(evidence.low),
            percent(evidence.high)
        )
        .into(),
    })
}

fn row(metric: &MetricRecord, limit: f64) -> Row {
    let quantity = |value: Option<f64>| {
        let text = value.map(|value| amount(&metric.metric, value));
        text.unwrap_or_default().into()
    };
    let (tone, word) = match metric.change {
        Change::Regression => (Tone::Bad, "worse"),
        Change::Improvement => (Tone::Good, "better"),
        Change::Unchanged => (Tone::Plain, ""),
        Change::NotJudged => (Tone::Open, "not judged"),
    };
    // Functions have a table of their own.
    let is_known =
        metric.change == Change::Regression && metric.metric.kind() == Kind::Instructions;
    let note = match (word, metric.note.as_str()) {
        (word, _) if is_known => word.to_owned(),
        (word, "") => word.to_owned(),
        ("", note) => note.to_owned(),
        (word, note) => format!("{word}: {note}"),
    };
    let more = metric.evidence.as_ref().map_or_else(
        || [""; 4].map(Text::from),
        |evidence| {
            [
                percent(evidence.estimate),
                format!("{} … {}", percent(evidence.low), percent(evidence.high)),
                p_value(evidence.p_adjusted),
                share(evidence.floor),
            ]
            .map(Text::from)
        },
    );
    Row {
        tone,
        what: metric.metric.to_string().into(),
        bound: quantity(metric.base),
        value: quantity(metric.head),
        more: more.into(),
        note: note.into(),
        forest: forest(metric, limit),
        ..Row::default()
    }
}

/// Every pair: base as a ring, head as a square.
fn pairs(metric: &MetricRecord, test: &str, blocks: &Blocks) -> Chart {
    let (unit, scale) = chart_unit(&metric.metric, metric.base.unwrap_or_default());
    let all = [blocks.pairs_of(test), blocks.counted_of(test)];
    let pairs = all.into_iter().flatten();
    let pairs = pairs.filter_map(|pair| pair.values(&metric.metric));
    let pairs: Vec<(f64, f64)> = pairs
        .map(|(base, head)| (base * scale, head * scale))
        .collect();
    let side = |name: &str, shape, of: fn(&(f64, f64)) -> f64| {
        let points = pairs.iter().enumerate().map(|(nth, pair)| Point {
            x: nth as f64,
            y: of(pair),
            title: Some(
                format!(
                    "pair {}: {name} {} {unit}",
                    nth + 1,
                    Quantity::new(of(pair), Unit::None)
                )
                .into(),
            ),
            shape,
        });
        ChartLine {
            name: format!("{name} and its median").into(),
            points: points.collect(),
            form: Form::Apart,
        }
    };
    let names = (1..=pairs.len()).map(|nth| nth.to_string().into());
    Chart {
        lines: vec![
            side("base", PointShape::Ring, |pair| pair.0),
            side("head", PointShape::Square, |pair| pair.1),
        ],
        are_pairs: true,
        ..Chart::new(
            metric.metric.to_string(),
            unit,
            Axis::Items {
                label: "pair, in the order of measurement",
                names: names.collect(),
            },
        )
    }
}

fn repeat(comparison: &Comparison, blocks: &Blocks) -> Text {
    let tests: Vec<&str> = comparison.tests.iter().map(|t| t.name.as_str()).collect();
    let side = |option: &str, side: &SideRecord| match &side.commit {
        Some(_) if side.dirty => String::new(),
        Some(commit) => format!(" --{option} {}", short_commit(commit)),
        None => format!(" --{option}-bin {}", side.name),
    };
    let floors = comparison.floors.iter();
    let percent = |floor: f64| (floor * 1e4).round() / 1e2;
    let floors = floors.filter_map(|(kind, floor)| {
        let kind = kind.to_possible_value()?;
        Some(format!(" --floor {}={}%", kind.get_name(), percent(*floor)))
    });
    let how = match &comparison.capacity {
        Some(asked) => {
            let rate = match asked.unit {
                LoadUnit::Users => "",
                LoadUnit::IterationsPerSecond => " --rate",
            };
            let busy = match asked.judge_when_busy {
                true => " --judge-when-busy",
                false => "",
            };
            let step = asked.step_s.map(|it| format!(" --step {it}s"));
            format!(
                "--capacity{rate} --pairs {} --resolution {}%{} --start {} --budget {}s{busy}",
                blocks.planned,
                percent(asked.resolution),
                step.unwrap_or_default(),
                asked.start,
                asked.budget_s
            )
        }
        None => format!(
            "--pairs {} --block {}ms --vus {}",
            blocks.planned,
            (blocks.block_s * 1e3).round(),
            blocks.vus
        ),
    };
    Text::lines(&format!(
        "cargo xtask compare {}{}{} {how} --seed {}{}",
        tests.join(" "),
        side("base", &comparison.base),
        side("head", &comparison.head),
        comparison.seed,
        floors.collect::<String>()
    ))
}

fn p_value(p: f64) -> String {
    if p >= 0.001 {
        format!("{p:.3}")
    } else {
        format!("{p:.0e}")
    }
}
