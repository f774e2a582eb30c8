//! What the server was asked, and what failed of it.

use k6_summary::{Quantity, Unit};

use super::{Heads, Row, Table, Tone, count, known, tails};
use crate::record::{EndpointRecord, FailingStatuses, Outcome, TestRecord};

const HEADS: Heads = Heads {
    what: "Endpoint",
    value: "Failed",
    bound: "",
    more: &["Requests", "p50 / p95 / p99", "4xx", "5xx", "No answer"],
};
const HINT: &str = "Requests, statuses and durations are the server's own, the durations interpolated within the buckets of its histogram; what had no answer, since when and the example are k6's.";
const UNCOUNTED: &str = "The server did not tell its requests by method, route and status: only what failed is known, by k6.";

/// The endpoints of `test`.
pub fn table(test: &TestRecord) -> Table {
    let failing = FailingStatuses::of(&test.endpoints, test.metrics.as_ref());
    let is_counted = test.endpoints.iter().any(|it| it.requests.is_some());
    Table {
        title: "Endpoints".into(),
        heads: HEADS,
        rows: test
            .endpoints
            .iter()
            .map(|it| row(it, failing.at(it), test))
            .collect(),
        hint: if is_counted { HINT } else { UNCOUNTED },
        ..Table::default()
    }
}

fn row(it: &EndpointRecord, failures: u64, test: &TestRecord) -> Row {
    let failed = match it.all() {
        _ if failures == 0 => "0".to_owned(),
        Some(all) if all >= failures => {
            let share = Quantity::new(failures as f64 / all as f64, Unit::Ratio);
            format!("{} of {} ({share})", count(failures), count(all))
        }
        _ => count(failures),
    };
    let rate = it
        .per_second
        .map(|rate| Quantity::new(rate, Unit::PerSecond));
    let requests = it.requests.map(|all| match rate {
        Some(rate) => format!("{} at {rate}", count(all)),
        None => count(all),
    });
    let example = it.example.as_ref().or(it.commonest.as_ref());
    let since = it.first_failure_s.map(|at| format!("since {at:.1} s"));
    let note = since
        .into_iter()
        .chain(example.filter(|_| failures > 0).cloned());
    let note = note.collect::<Vec<_>>().join("; ");
    Row {
        tone: match test.outcome {
            _ if failures == 0 => Tone::Plain,
            Outcome::Failed => Tone::Bad,
            _ => Tone::Warn,
        },
        what: it.name().into(),
        value: failed.into(),
        more: vec![
            known(requests),
            tails([it.med_ms, it.p95_ms, it.p99_ms]).into(),
            count(it.client_errors).into(),
            count(it.server_errors).into(),
            count(it.network_errors).into(),
        ],
        note: note.into(),
        ..Row::default()
    }
}
