//! Which numbers of a test are followed: their names in k6's spelling, their kinds, and the changes that are too small
//! to report.

use std::collections::BTreeMap;
use std::fmt;

use k6_summary::{Metrics, Unit, spoken};
use serde::{Deserialize, Serialize};

use super::{Followed, LoadUnit, TestRecord, UsageRecord};

/// Trends of k6's own that are parts of `http_req_duration` or hardly depend on the server. `ws_connecting` is followed.
const PARTS: [&str; 5] = [
    "http_req_",
    "iteration_duration",
    "group_duration",
    "ws_session_duration",
    "ws_ping",
];
/// The trend that every HTTP test has.
const REQUESTS: &str = "http_req_duration";

/// The names of what is no trend.
const NAMES: [(&str, Measure); 6] = [
    ("server CPU per request", Measure::CpuPerRequest),
    ("server peak memory", Measure::PeakMemory),
    ("bytes per response", Measure::BytesPerResponse),
    ("failed requests", Measure::FailedRequests),
    ("capacity users", Measure::Capacity(LoadUnit::Users)),
    (
        "capacity iterations per second",
        Measure::Capacity(LoadUnit::IterationsPerSecond),
    ),
];

/// A number that is followed from run to run and compared between revisions. More is worse, but of a capacity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(into = "String", try_from = "String")]
pub enum Measure {
    /// A statistic of a duration, such as `http_req_duration p(95)`, in milliseconds.
    Trend {
        /// k6's or the script's metric.
        metric: String,
        /// Which of its statistics.
        statistic: Statistic,
    },
    /// The server's CPU time per request, or per WebSocket session where there are no requests, in milliseconds.
    CpuPerRequest,
    /// The server's largest resident memory, in bytes.
    PeakMemory,
    /// Bytes received per request.
    BytesPerResponse,
    /// The share of failed requests, 0 to 1.
    FailedRequests,
    /// The highest load that holds, in its unit.
    Capacity(LoadUnit),
}

/// A statistic of a trend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// `med`.
    Median,
    /// `p(95)`.
    P95,
    /// `instructions`: of its requests, as valgrind counts them.
    Instructions,
}

/// What measures have in common: the members of a kind share their floors. `--floor` names those that it may change.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The median of a duration.
    Median,
    /// The 95th percentile of a duration, which rests on a twentieth of the requests.
    P95,
    /// CPU time per request, the steadiest figure of work done.
    Cpu,
    /// Peak memory: allocators round up, and caches fill by chance.
    Memory,
    /// Bytes per response, which hardly vary at all.
    Bytes,
    /// Instructions of a request, which are work, whatever else the machine does.
    Instructions,
    /// The share of failed requests, which are counted and compared in another way.
    #[value(skip)]
    Failed,
    /// The highest load that holds: more is better.
    Capacity,
}

impl Measure {
    /// The median of a trend.
    pub fn median(metric: impl Into<String>) -> Self {
        Self::Trend {
            metric: metric.into(),
            statistic: Statistic::Median,
        }
    }

    /// The 95th percentile of a trend.
    pub fn p95(metric: impl Into<String>) -> Self {
        Self::Trend {
            metric: metric.into(),
            statistic: Statistic::P95,
        }
    }

    /// Instructions of a request of the route that the trend is of.
    pub fn instructions(metric: impl Into<String>) -> Self {
        Self::Trend {
            metric: metric.into(),
            statistic: Statistic::Instructions,
        }
    }

    /// The 95th percentile of the duration of requests.
    pub fn p95_of_requests() -> Self {
        Self::p95(REQUESTS)
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Trend { statistic, .. } => match statistic {
                Statistic::Median => Kind::Median,
                Statistic::P95 => Kind::P95,
                Statistic::Instructions => Kind::Instructions,
            },
            Self::CpuPerRequest => Kind::Cpu,
            Self::PeakMemory => Kind::Memory,
            Self::BytesPerResponse => Kind::Bytes,
            Self::FailedRequests => Kind::Failed,
            Self::Capacity(_) => Kind::Capacity,
        }
    }

    /// The unit of its values.
    pub fn unit(&self) -> Unit {
        match self {
            Self::Trend {
                statistic: Statistic::Instructions,
                ..
            }
            | Self::Capacity(_) => Unit::None,
            Self::Trend { .. } | Self::CpuPerRequest => Unit::Milliseconds,
            Self::PeakMemory | Self::BytesPerResponse => Unit::Bytes,
            Self::FailedRequests => Unit::Ratio,
        }
    }

    /// How people speak of it: `p95 of requests`.
    pub fn spoken(&self) -> String {
        let Self::Trend { metric, statistic } = self else {
            return self.to_string();
        };
        match statistic {
            Statistic::Median => spoken(metric, "med"),
            Statistic::P95 => spoken(metric, "p(95)"),
            Statistic::Instructions => spoken(metric, "instruction count"),
        }
    }
}

impl Kind {
    /// Whether more is better.
    pub fn more_is_better(self) -> bool {
        self == Self::Capacity
    }

    /// The relative change between two revisions, measured in pairs, up to which nothing is reported. Below 3 % of a
    /// median nobody notices, and alignment of code alone moves as much. For failed requests it is a difference.
    pub fn floor_in_pairs(self) -> f64 {
        match self {
            Self::Median => 0.03,
            Self::P95 => 0.10,
            Self::Cpu => 0.02,
            Self::Memory | Self::Capacity => 0.05,
            Self::Bytes | Self::Instructions => 0.01,
            Self::Failed => 0.001,
        }
    }

    /// The same from night to night, where smaller changes are left to the comparison in pairs. For failed requests it is
    /// a difference, since the past is 0: two requests in a thousand.
    pub fn floor_by_night(self) -> f64 {
        match self {
            Self::Median | Self::Cpu | Self::Bytes | Self::Instructions => 0.05,
            // A capacity is known to 5 % as a rule, and so is its past.
            Self::P95 | Self::Memory | Self::Capacity => 0.10,
            Self::Failed => 0.002,
        }
    }
}

impl TestRecord {
    /// The numbers that are followed. A search for the capacity made many loads, and only what it found is.
    pub fn measured(&self) -> BTreeMap<Measure, f64> {
        match (&self.capacity, &self.metrics) {
            (Some(capacity), _) => followed(capacity.followed()),
            (None, Some(metrics)) => measured(metrics, self.server_usage.as_ref()),
            (None, None) => BTreeMap::new(),
        }
    }
}

/// A capacity as the only number.
pub fn followed(capacity: Option<Followed>) -> BTreeMap<Measure, f64> {
    let number = |it: Followed| (Measure::Capacity(it.unit), it.value);
    capacity.map(number).into_iter().collect()
}

/// The numbers of a test that are followed; of the server's own, those that were sampled.
pub fn measured(metrics: &Metrics, usage: Option<&UsageRecord>) -> BTreeMap<Measure, f64> {
    let mut values = BTreeMap::new();
    let own = metrics.trends.iter().filter(|(name, trend)| {
        // A submetric has the requests of one tag only.
        let part = name.contains('{') || PARTS.iter().any(|part| name.starts_with(part));
        trend.unit == Unit::Milliseconds && !part
    });
    let requests = metrics.http_req_duration.iter().map(|it| (REQUESTS, it));
    for (name, trend) in requests.chain(own.map(|(name, it)| (name.as_str(), it))) {
        values.extend(trend.med.map(|value| (Measure::median(name), value)));
        values.extend(trend.p95.map(|value| (Measure::p95(name), value)));
    }
    if let Some(usage) = usage {
        let sessions = (metrics.http_requests == 0 && metrics.ws_sessions > 0)
            .then(|| usage.cpu_s * 1e3 / metrics.ws_sessions as f64);
        let cpu_ms = usage.cpu_us_per_request.map(|us| us / 1e3).or(sessions);
        values.extend(cpu_ms.map(|ms| (Measure::CpuPerRequest, ms)));
        values.insert(Measure::PeakMemory, usage.peak_rss_bytes as f64);
    }
    if metrics.http_requests > 0 {
        let bytes = metrics.data_received_bytes as f64 / metrics.http_requests as f64;
        values.insert(Measure::BytesPerResponse, bytes);
    }
    let failed = metrics.http_failed_ratio;
    values.extend(failed.map(|share| (Measure::FailedRequests, share)));
    values
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Trend { metric, statistic } = self {
            let statistic = match statistic {
                Statistic::Median => "med",
                Statistic::P95 => "p(95)",
                Statistic::Instructions => "instructions",
            };
            return write!(f, "{metric} {statistic}");
        }
        let named = NAMES.iter().find(|(_, measure)| measure == self);
        f.write_str(named.map_or("", |(name, _)| name))
    }
}

impl From<Measure> for String {
    fn from(measure: Measure) -> Self {
        measure.to_string()
    }
}

impl TryFrom<String> for Measure {
    type Error = String;

    /// Reads k6's spelling, and `median` and `p95` as older files have them.
    fn try_from(text: String) -> Result<Self, String> {
        if let Some((_, measure)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(measure.clone());
        }
        let (metric, statistic) = text.rsplit_once(' ').unwrap_or_default();
        match statistic {
            "med" | "median" => Ok(Self::median(metric)),
            "p(95)" | "p95" => Ok(Self::p95(metric)),
            "instructions" => Ok(Self::instructions(metric)),
            _ => Err(format!("`{text}` is not a value that is followed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use k6_summary::Summary;

    use super::*;

    const PASSING: &str =
        include_str!("../../../crates/k6-summary/tests/fixtures/1.1.0/passing.json");

    fn usage() -> UsageRecord {
        UsageRecord {
            cpu_s: 0.5,
            cpu_us_per_request: Some(700.0),
            peak_rss_bytes: 10,
            max_threads: 1,
            max_open_files: 1,
        }
    }

    fn passing() -> Metrics {
        Metrics::of(&Summary::parse(PASSING.as_bytes()).unwrap())
    }

    #[test]
    fn durations_of_requests_and_of_the_script_and_the_servers_cost_are_followed() {
        let values = measured(&passing(), Some(&usage()));
        let names: Vec<String> = values.keys().map(ToString::to_string).collect();
        assert_eq!(
            names,
            [
                "http_req_duration med",
                "http_req_duration p(95)",
                "mission_create_duration med",
                "mission_create_duration p(95)",
                "mission_list_duration med",
                "mission_list_duration p(95)",
                "server CPU per request",
                "server peak memory",
                "bytes per response",
                "failed requests",
            ]
        );
        assert!((values[&Measure::CpuPerRequest] - 0.7).abs() < 1e-12);
        assert!((values[&Measure::PeakMemory] - 10.0).abs() < 1e-12);
        let unsampled = measured(&passing(), None);
        assert!(!unsampled.contains_key(&Measure::CpuPerRequest), "made up");
    }

    #[test]
    fn without_requests_the_servers_cost_is_that_of_a_session() {
        let metrics = Metrics {
            http_requests: 0,
            ws_sessions: 50,
            ..passing()
        };
        let usage = UsageRecord {
            cpu_us_per_request: None,
            ..usage()
        };
        let values = measured(&metrics, Some(&usage));
        assert!((values[&Measure::CpuPerRequest] - 10.0).abs() < 1e-12);
        assert!(!values.contains_key(&Measure::BytesPerResponse));
    }

    #[test]
    fn names_are_read_as_they_are_written_and_as_they_were() {
        let capacities = NAMES.map(|(_, measure)| measure);
        for measure in measured(&passing(), Some(&usage()))
            .into_keys()
            .chain(capacities)
        {
            assert_eq!(Measure::try_from(measure.to_string()), Ok(measure));
        }
        let p95 = Measure::p95_of_requests();
        let old = "http_req_duration p95".to_owned();
        assert_eq!(Measure::try_from(old), Ok(p95.clone()));
        assert_eq!(p95.to_string(), "http_req_duration p(95)");
        let old: BTreeMap<Measure, f64> =
            serde_json::from_str(r#"{"ws_connecting median": 1.5}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&old).unwrap(),
            r#"{"ws_connecting med":1.5}"#
        );
        for wrong in ["", "med", "http_req_duration", "http_req_duration p(99)"] {
            let error = Measure::try_from(wrong.to_owned()).unwrap_err();
            assert!(error.contains("not a value that is followed"), "{error}");
        }
    }

    #[test]
    fn the_floors_are_those_whose_false_alarms_are_measured() {
        let bench = include_str!("../../../crates/load-stats/benches/nights/main.rs");
        for (name, kind) in [
            ("MEDIAN", Kind::Median),
            ("TAIL", Kind::P95),
            ("CPU", Kind::Cpu),
        ] {
            let constant = format!("{name}_FLOOR: f64 = {:.2};", kind.floor_by_night());
            assert!(bench.contains(&constant), "{constant}");
        }
        let duet = include_str!("../../../crates/load-stats/benches/nights/duet.rs");
        for (name, kind) in [
            (" med", Kind::Median),
            (" p(95)", Kind::P95),
            ("CPU per request", Kind::Cpu),
            ("peak memory", Kind::Memory),
            ("bytes per response", Kind::Bytes),
        ] {
            let pair = format!("(\"{name}\", {:.2})", kind.floor_in_pairs());
            assert!(duet.contains(&pair), "{pair}");
        }
    }
}
