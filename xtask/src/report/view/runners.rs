//! The k6 that made a part of a test's load each.

use k6_summary::{Quantity, THRESHOLDS_CROSSED, Unit};

use super::{Heads, Row, Table, Tone, count, known, number, tails, took};
use crate::record::{Heard, RunnerRecord, TestRecord};

const HEADS: Heads = Heads {
    what: "Runner",
    value: "Requests",
    bound: "",
    more: &[
        "Per second",
        "Failed",
        "p50 / p95 / p99",
        "Iterations",
        "Load for",
        "Node",
    ],
};
const HINT: &str = "Percentiles of all runners together are estimates; the row of a threshold says between which values the exact one lies for certain.";

/// All runners together, and each.
pub fn table(test: &TestRecord) -> Table {
    if test.runners.is_empty() {
        return Table::default();
    }
    let is_estimate = test.thresholds.iter().any(|row| row.interval.is_some());
    Table {
        title: title(&test.runners).into(),
        heads: HEADS,
        rows: together(test)
            .into_iter()
            .chain(test.runners.iter().map(row))
            .collect(),
        hint: if is_estimate { HINT } else { "" },
        ..Table::default()
    }
}

/// How many were heard, and how far apart they are: one that is much slower than the others is a sick node more often than
/// a slow server.
fn title(runners: &[RunnerRecord]) -> String {
    let heard = runners
        .iter()
        .filter(|it| it.heard == Heard::InFull)
        .count();
    let apart = |what: &str, unit, of: fn(&RunnerRecord) -> Option<f64>| {
        let figures = || runners.iter().filter_map(of).filter(|figure| *figure > 0.0);
        let (least, most) = (figures().reduce(f64::min)?, figures().reduce(f64::max)?);
        let number = |number| Quantity::new(number, unit);
        let times = Quantity::new(most / least, Unit::None);
        (figures().count() > 1).then(|| {
            format!(
                "; {what} from {} to {} ({times} times)",
                number(least),
                number(most)
            )
        })
    };
    let p95 = apart("p95", Unit::Milliseconds, |it| it.p95_ms);
    let rate = apart("requests", Unit::PerSecond, |it| it.requests_per_second);
    let spread: String = p95.into_iter().chain(rate).collect();
    format!("Runners: {heard} of {} heard{spread}", runners.len())
}

/// All whose summaries there are, as if they were one.
fn together(test: &TestRecord) -> Option<Row> {
    let metrics = test.metrics.as_ref()?;
    let duration = metrics.http_req_duration.as_ref();
    let merged = RunnerRecord {
        name: "together".into(),
        heard: Heard::InFull,
        duration_s: Some(metrics.duration_ms / 1e3),
        requests: Some(metrics.http_requests),
        requests_per_second: Some(metrics.http_requests_per_second),
        failed: Some(metrics.http_requests_failed),
        med_ms: duration.and_then(|it| it.med),
        p95_ms: duration.and_then(|it| it.p95),
        p99_ms: duration.and_then(|it| it.p99),
        iterations: Some(metrics.iterations),
        ..RunnerRecord::default()
    };
    Some(Row {
        tone: Tone::of(test.outcome),
        ..row(&merged)
    })
}

fn row(it: &RunnerRecord) -> Row {
    let count = |counted: Option<u64>| known(counted.map(count));
    let missing = match it.heard {
        Heard::InFull => "",
        Heard::ShortForm => "only the short form of its summary was heard",
        Heard::Nothing => "no summary was heard",
    };
    let note = [it.outcome.as_str(), missing]
        .into_iter()
        .filter(|part| !part.is_empty());
    Row {
        tone: match it.heard {
            Heard::InFull if matches!(it.exit_code, None | Some(0 | THRESHOLDS_CROSSED)) => {
                Tone::Plain
            }
            _ => Tone::Bad,
        },
        what: it.name.as_str().into(),
        value: count(it.requests),
        more: vec![
            number(it.requests_per_second, Unit::PerSecond).into(),
            count(it.failed),
            tails([it.med_ms, it.p95_ms, it.p99_ms]).into(),
            count(it.iterations),
            known(it.duration_s.map(took)),
            known(it.node.as_deref()),
        ],
        note: note.collect::<Vec<_>>().join("; ").into(),
        ..Row::default()
    }
}
