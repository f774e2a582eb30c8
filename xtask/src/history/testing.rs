//! Lines for unit tests.

use super::lines::{Accepted, Line};
use super::read::{Entry, Past};

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
    let mut line: Line = serde_json::from_str(include_str!("testing/line.json")).unwrap();
    line.at = format!("2026-{:02}-{:02}T02:00:00Z", 1 + night / 28, 1 + night % 28);
    line.run = format!("{}-load", line.at.replace(':', "-"));
    line.commit = Some(commit(night));
    // Two levels in turn, 2 % apart: the fence is narrow, and the floors count.
    let level = factor * if night.is_multiple_of(2) { 1.0 } else { 1.02 };
    let metrics = line.metrics.as_mut().unwrap();
    let own = metrics
        .trends
        .iter_mut()
        .filter(|(name, _)| *name != "iteration_duration");
    for trend in own.map(|(_, it)| it).chain(&mut metrics.http_req_duration) {
        for value in [&mut trend.med, &mut trend.p95] {
            *value = value.map(|ms| ms * level);
        }
    }
    line.server_usage.as_mut().unwrap().cpu_us_per_request = Some(400.0 * level);
    line
}

/// A change that was accepted on the tenth night.
pub fn accepted(why: &str) -> Accepted {
    Accepted {
        commit: "c".repeat(40),
        committed_at: "2026-01-10T12:00:00Z".into(),
        since: None,
        tests: Vec::new(),
        why: why.into(),
        accepted_at: "2026-01-11T12:00:00Z".into(),
    }
}

/// A past of `nights` equal nights.
pub fn past(nights: usize) -> Past {
    of((0..nights).map(line).collect())
}

/// The past that these lines are.
pub fn of(lines: Vec<Line>) -> Past {
    Past {
        entries: lines
            .into_iter()
            .map(|line| Entry::new(line).unwrap())
            .collect(),
        ..Past::default()
    }
}
