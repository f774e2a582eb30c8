//! Which numbers of a test are followed from run to run: their names, units, floors, and which way is worse.

use k6_summary::{Metrics, TrendDigest, Unit};
use load_stats::fence::Worse;
use serde::Serialize;

use crate::record::UsageRecord;

/// Change of a median duration that is never reported: smaller ones are for `compare`, which measures in pairs.
const MEDIAN_FLOOR: f64 = 0.05;
/// The same for a 95th percentile, which rests on a twentieth of the requests.
const TAIL_FLOOR: f64 = 0.10;
/// The same for CPU time per request.
const CPU_FLOOR: f64 = 0.05;
/// The same for peak memory: allocators round up, and caches fill by chance.
const MEMORY_FLOOR: f64 = 0.10;
/// The same for bytes per response, which hardly vary at all.
const SIZE_FLOOR: f64 = 0.05;
/// Share of failed requests above the worst of the past that counts as worse: 0.002 is two requests in a thousand.
/// It is a difference and no ratio, since the past is 0.
pub const FAILED_FLOOR: f64 = 0.002;

/// k6's own trends, which are parts of `http_req_duration` or hardly depend on the server. `ws_connecting` is followed.
const BUILT_IN: [&str; 5] = [
    "http_req_",
    "iteration_duration",
    "group_duration",
    "ws_session_duration",
    "ws_ping",
];

/// What is known of a number before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The median of a duration.
    Median,
    /// The 95th percentile of a duration.
    Tail,
    /// The server's CPU time per request.
    Cpu,
    /// The server's largest resident memory.
    Memory,
    /// Bytes received per request.
    Size,
    /// The share of failed requests.
    Failed,
}

/// One number of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The metric, such as `http_req_duration p(95)`.
    pub metric: String,
    /// The unit of the value.
    pub unit: Unit,
    /// What sort of number it is.
    pub kind: Kind,
    /// The value.
    pub value: f64,
}

impl Kind {
    /// The relative change that is never reported; for [`Kind::Failed`] the difference of shares.
    pub fn floor(self) -> f64 {
        match self {
            Self::Median => MEDIAN_FLOOR,
            Self::Tail => TAIL_FLOOR,
            Self::Cpu => CPU_FLOOR,
            Self::Memory => MEMORY_FLOOR,
            Self::Size => SIZE_FLOOR,
            Self::Failed => FAILED_FLOOR,
        }
    }

    /// Which way is worse: for everything that is followed, up.
    pub fn worse(self) -> Worse {
        Worse::Higher
    }
}

/// The numbers of a test that are followed, durations first.
pub fn measured(metrics: &Metrics, usage: Option<&UsageRecord>) -> Vec<Measured> {
    let mut out = Vec::new();
    if let Some(trend) = &metrics.http_req_duration {
        durations(&mut out, "http_req_duration", trend);
    }
    for (name, trend) in &metrics.trends {
        let built_in = BUILT_IN.iter().any(|prefix| name.starts_with(prefix));
        if !built_in && !name.contains('{') && trend.unit == Unit::Milliseconds {
            durations(&mut out, name, trend);
        }
    }
    let requests = metrics.http_requests as f64;
    let mut add = |metric: &str, unit, kind, value: Option<f64>| {
        out.extend(value.map(|value| Measured {
            metric: metric.to_owned(),
            unit,
            kind,
            value,
        }));
    };
    let cpu_ms = usage
        .and_then(|usage| usage.cpu_us_per_request)
        .map(|us| us / 1000.0);
    add(
        "server CPU per request",
        Unit::Milliseconds,
        Kind::Cpu,
        cpu_ms,
    );
    let memory = usage.map(|usage| usage.peak_rss_bytes as f64);
    add("server peak memory", Unit::Bytes, Kind::Memory, memory);
    let size = (requests > 0.0).then(|| metrics.data_received_bytes as f64 / requests);
    add("bytes per response", Unit::Bytes, Kind::Size, size);
    add(
        "failed requests",
        Unit::Ratio,
        Kind::Failed,
        metrics.http_failed_ratio,
    );
    out
}

fn durations(out: &mut Vec<Measured>, name: &str, trend: &TrendDigest) {
    for (kind, aggregation, value) in [
        (Kind::Median, "med", trend.med),
        (Kind::Tail, "p(95)", trend.p95),
    ] {
        out.extend(value.map(|value| Measured {
            metric: format!("{name} {aggregation}"),
            unit: trend.unit,
            kind,
            value,
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_scripts_own_trends_and_the_servers_cost_are_followed() {
        let line = testing::line(0);
        let names: Vec<String> =
            measured(line.metrics.as_ref().unwrap(), line.server_usage.as_ref())
                .into_iter()
                .map(|measured| measured.metric)
                .collect();
        assert_eq!(
            names,
            [
                "http_req_duration med",
                "http_req_duration p(95)",
                "mission_create_duration med",
                "mission_create_duration p(95)",
                "server CPU per request",
                "server peak memory",
                "bytes per response",
                "failed requests",
            ]
        );
    }

    #[test]
    fn the_floors_are_those_whose_false_alarms_are_measured() {
        let bench = include_str!("../../../crates/load-stats/benches/nights/main.rs");
        for (name, kind) in [
            ("MEDIAN", Kind::Median),
            ("TAIL", Kind::Tail),
            ("CPU", Kind::Cpu),
        ] {
            let constant = format!("{name}_FLOOR: f64 = {:.2};", kind.floor());
            assert!(bench.contains(&constant), "{constant}");
        }
    }

    #[test]
    fn without_a_sample_of_the_server_its_cost_is_not_made_up() {
        let line = testing::line(0);
        let all = measured(line.metrics.as_ref().unwrap(), None);
        assert!(all.iter().all(|one| !one.metric.starts_with("server")));
    }
}
