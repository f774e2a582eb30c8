//! From one block to one value per metric, and what kind of metric each is.

use std::collections::BTreeMap;

use k6_summary::{Metrics, Summary, TrendDigest, Unit};

use crate::server::Sample;

/// A kind of metric: its members share a floor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Kind {
    /// What `--floor` calls it.
    pub name: &'static str,
    /// The relative change up to which it is never reported.
    pub floor: f64,
}

/// Half of all requests are faster. Below 3 % nobody notices, and alignment of code alone moves as much.
pub const MEDIAN: Kind = Kind {
    name: "median",
    floor: 0.03,
};
/// The slow end, which swings by a third from block to block on shared cores.
pub const P95: Kind = Kind {
    name: "p95",
    floor: 0.10,
};
/// The server's CPU time for each request, the steadiest figure of work done.
pub const CPU: Kind = Kind {
    name: "cpu",
    floor: 0.02,
};
/// Peak resident memory; allocators and page caches move it by a few percent.
pub const MEMORY: Kind = Kind {
    name: "memory",
    floor: 0.05,
};
/// Bytes of each answer, which hardly vary.
pub const BYTES: Kind = Kind {
    name: "bytes",
    floor: 0.01,
};

/// Every kind.
pub const KINDS: [Kind; 5] = [MEDIAN, P95, CPU, MEMORY, BYTES];

/// Names of the metrics that are not k6's trends.
pub const CPU_PER_REQUEST: &str = "server CPU per request";
pub const PEAK_MEMORY: &str = "server peak memory";
pub const BYTES_PER_REQUEST: &str = "bytes per response";

/// Trends that are measured in any script; those that the script adds itself come on top.
const COMMON: [&str; 2] = ["http_req_duration", "ws_connecting"];
/// What k6 measures of every request or iteration beyond its duration: parts and pauses, not the server's speed.
const PARTS: [&str; 3] = ["http_req_", "iteration_duration", "group_duration"];

/// The kind of the metric called `name`.
pub fn kind(name: &str) -> Kind {
    match name {
        CPU_PER_REQUEST => CPU,
        PEAK_MEMORY => MEMORY,
        BYTES_PER_REQUEST => BYTES,
        _ if name.ends_with(" p95") => P95,
        _ => MEDIAN,
    }
}

/// The unit of the metric called `name`.
pub fn unit(name: &str) -> Unit {
    match name {
        PEAK_MEMORY | BYTES_PER_REQUEST => Unit::Bytes,
        _ => Unit::Milliseconds,
    }
}

/// The values of a block, from k6's summary and the looks at the server's process around it.
pub fn values(summary: &Summary, samples: &[Sample]) -> BTreeMap<String, f64> {
    let metrics = Metrics::of(summary);
    let mut values = BTreeMap::new();
    for (name, trend) in metrics.trends.iter().filter(|(name, _)| is_compared(name)) {
        let TrendDigest { med, p95, .. } = trend;
        let both = [("median", med), ("p95", p95)];
        for (what, value) in both.into_iter().filter_map(|(what, v)| Some((what, (*v)?))) {
            values.insert(format!("{name} {what}"), value);
        }
    }
    let requests = requests(&metrics) as f64;
    if let (Some(first), Some(last), true) = (samples.first(), samples.last(), requests > 0.0) {
        let cpu_ms = (last.cpu_s - first.cpu_s) * 1e3;
        values.insert(CPU_PER_REQUEST.into(), cpu_ms / requests);
        let peak = samples.iter().map(|sample| sample.rss_bytes).max();
        values.insert(PEAK_MEMORY.into(), peak.unwrap_or(0) as f64);
    }
    if metrics.http_requests > 0 {
        let bytes = metrics.data_received_bytes as f64 / requests;
        values.insert(BYTES_PER_REQUEST.into(), bytes);
    }
    values
}

/// HTTP requests, or WebSocket sessions where there are none.
pub fn requests(metrics: &Metrics) -> u64 {
    match metrics.http_requests {
        0 => metrics.ws_sessions,
        requests => requests,
    }
}

/// Whether a trend says something of the server: the duration of requests and the script's own trends, no submetrics.
fn is_compared(name: &str) -> bool {
    let ws_rest = name.starts_with("ws_") && name != "ws_connecting";
    COMMON.contains(&name)
        || !(name.contains('{') || ws_rest || PARTS.iter().any(|part| name.starts_with(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSING: &str =
        include_str!("../../../crates/k6-summary/tests/fixtures/1.1.0/passing.json");

    #[test]
    fn a_blocks_values_are_the_servers_alone() {
        let summary = Summary::parse(PASSING.as_bytes()).unwrap();
        let sample = |cpu_s, rss_bytes| Sample {
            elapsed_s: 0.0,
            rss_bytes,
            cpu_s,
            threads: 1,
            open_files: 1,
        };
        let values = values(&summary, &[sample(1.0, 10), sample(1.5, 7)]);
        let names: Vec<&str> = values.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "bytes per response",
                "http_req_duration median",
                "http_req_duration p95",
                "mission_create_duration median",
                "mission_create_duration p95",
                "mission_list_duration median",
                "mission_list_duration p95",
                "server CPU per request",
                "server peak memory",
            ]
        );
        let requests = summary.http_requests() as f64;
        assert!((values[CPU_PER_REQUEST] - 500.0 / requests).abs() < 1e-9);
        assert!((values[PEAK_MEMORY] - 10.0).abs() < 1e-9);
    }

    #[test]
    fn every_metric_has_a_kind() {
        assert_eq!(kind("mission_create_duration p95"), P95);
        assert_eq!(kind("mission_create_duration median"), MEDIAN);
        assert_eq!(kind(CPU_PER_REQUEST), CPU);
        assert_eq!(kind(BYTES_PER_REQUEST), BYTES);
    }
}
