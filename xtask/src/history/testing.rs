//! Lines for unit tests.

use std::collections::BTreeMap;

use k6_summary::{Metrics, TrendDigest, Unit};

use super::key::Key;
use super::lines::{HISTORY_VERSION, Line};
use super::read::{Entry, Past, time};
use crate::record::{Outcome, UsageRecord};

/// A commit for the run of `night`.
pub fn commit(night: usize) -> String {
    format!("{:040x}", 0xabcd_0000_usize + night)
}

/// A passing line of the missions test on a given night, with durations near 4 ms.
pub fn line(night: usize) -> Line {
    scaled(night, 1.0)
}

/// As [`line`], with every duration and the CPU time multiplied by `factor`.
pub fn scaled(night: usize, factor: f64) -> Line {
    // Two levels in turn, 2 % apart: the fence is narrow, and the floors count.
    let level = factor * if night.is_multiple_of(2) { 1.0 } else { 1.02 };
    let day = format!("2026-{:02}-{:02}T02:00:00Z", 1 + night / 28, 1 + night % 28);
    Line {
        schema_version: HISTORY_VERSION,
        run: format!("{}-load", day.replace(':', "-")),
        at: day,
        outcome: Outcome::Passed,
        run_outcome: Outcome::Passed,
        commit: Some(commit(night)),
        dirty: Some(false),
        faults: Some(false),
        k6_version: Some("1.1.0".into()),
        server_version: Some("0.1.0".into()),
        imported: false,
        key: Key {
            test: "missions".into(),
            profile: "load".into(),
            time_scale: 1.0,
            k6_args: Vec::new(),
            target: Some(crate::record::ServerKind::StartedHere),
            url: None,
            after: Vec::new(),
            k6: "1.1".into(),
            host: "a processor x2, 8 GiB, linux-x86_64".into(),
        },
        metrics: Some(metrics(level)),
        server_usage: Some(UsageRecord {
            cpu_s: 4.0,
            cpu_us_per_request: Some(400.0 * level),
            peak_rss_bytes: 20_000_000,
            max_threads: 8,
            max_open_files: 20,
        }),
    }
}

fn metrics(level: f64) -> Metrics {
    let trend = |ms: f64| TrendDigest {
        unit: Unit::Milliseconds,
        count: Some(8000),
        min: Some(ms / 2.0),
        avg: Some(ms),
        med: Some(ms),
        p95: Some(ms * 3.0),
        p99: Some(ms * 4.0),
        max: Some(ms * 9.0),
    };
    let trends = BTreeMap::from([
        ("http_req_duration".to_owned(), trend(4.0 * level)),
        (
            "http_req_duration{expected_response:true}".to_owned(),
            trend(4.0 * level),
        ),
        ("http_req_waiting".to_owned(), trend(3.9 * level)),
        ("iteration_duration".to_owned(), trend(1010.0)),
        ("mission_create_duration".to_owned(), trend(6.0 * level)),
    ]);
    Metrics {
        duration_ms: 540_000.0,
        iterations: 4000,
        iteration_exceptions: 0,
        dropped_iterations: 0,
        vus_max: Some(10),
        http_requests: 8000,
        http_requests_per_second: 15.0,
        http_requests_failed: 0,
        http_failed_ratio: Some(0.0),
        checks_passed: 8000,
        checks_failed: 0,
        checks_ratio: Some(1.0),
        data_received_bytes: 40_000_000,
        data_sent_bytes: 1_000_000,
        ws_sessions: 0,
        ws_messages_received: 0,
        ws_messages_sent: 0,
        http_req_duration: Some(trend(4.0 * level)),
        trends,
    }
}

/// A past of `nights` equal nights.
pub fn past(nights: usize) -> Past {
    of((0..nights).map(line).collect())
}

/// The past that these lines are.
pub fn of(lines: Vec<Line>) -> Past {
    let entries = lines
        .into_iter()
        .map(|line| Entry {
            at: time(&line.at).unwrap(),
            line,
        })
        .collect();
    Past {
        entries,
        ..Past::default()
    }
}
