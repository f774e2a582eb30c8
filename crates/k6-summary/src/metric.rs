//! One metric of a summary.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::expression::Aggregation;
use crate::unit::Unit;

/// How k6 aggregates a metric's samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// A sum: `count` and `rate` (per second).
    Counter,
    /// The latest value: `value`, `min` and `max`.
    Gauge,
    /// A share of non-zero samples: `rate` (0 to 1), `passes` (non-zero) and `fails` (zero).
    Rate,
    /// A distribution: the statistics asked for in `summaryTrendStats`.
    Trend,
    /// A kind that this crate does not know.
    #[serde(other)]
    Unknown,
}

/// What a metric's values stand for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contains {
    /// Plain numbers, also if a script adds times without saying so.
    #[default]
    Default,
    /// Durations in milliseconds.
    Time,
    /// Sizes in bytes.
    Data,
    /// Something that this crate does not know.
    #[serde(other)]
    Unknown,
}

/// One metric or submetric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name, with tags if it is a submetric.
    #[serde(skip)]
    pub name: String,
    /// How the samples are aggregated.
    #[serde(rename = "type")]
    pub kind: MetricKind,
    /// What the values stand for.
    #[serde(default)]
    pub contains: Contains,
    /// The aggregated values by name, such as `p(95)`. Those that are no finite numbers are left
    /// out: JavaScript writes NaN and infinity as `null`.
    #[serde(default, deserialize_with = "finite_numbers")]
    pub values: BTreeMap<String, f64>,
    /// Of values that are estimates, as percentiles of several k6 together are: the least and the greatest that they can
    /// be.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub intervals: BTreeMap<String, (f64, f64)>,
    /// Whether each threshold, by its expression, was kept.
    #[serde(default)]
    pub thresholds: BTreeMap<String, ThresholdResult>,
}

/// What k6 found a threshold to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThresholdResult {
    /// Whether it was kept. Also true if there were no samples.
    pub ok: bool,
    /// Whether that is open, since the value is an estimate and the bound among what it can be; `ok` is false then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
}

impl Metric {
    /// The value of that name, as k6 writes it: `count`, `rate`, `med`, `p(95)`, ...
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// The value that a threshold with this aggregation is held against, if the summary has it.
    #[must_use]
    pub fn aggregate(&self, aggregation: Aggregation) -> Option<f64> {
        self.values.get(self.name_of(aggregation)?).copied()
    }

    /// The least and the greatest that this value can be, if it is an estimate.
    #[must_use]
    pub fn interval(&self, aggregation: Aggregation) -> Option<(f64, f64)> {
        self.intervals.get(self.name_of(aggregation)?).copied()
    }

    /// What the value with this aggregation is called here.
    fn name_of(&self, aggregation: Aggregation) -> Option<&str> {
        let is_named = |name: &&String| Aggregation::parse(name).is_ok_and(|it| it == aggregation);
        let median = || (aggregation == Aggregation::Percentile(50.0)).then_some("med");
        let named = self.values.keys().find(is_named).map(String::as_str);
        named.or_else(median)
    }

    /// How many samples a trend or rate has had, a counter's sum, and nothing for a gauge.
    #[must_use]
    pub fn count(&self) -> Option<f64> {
        match self.kind {
            MetricKind::Rate => Some(self.value("passes")? + self.value("fails")?),
            _ => self.value("count"),
        }
    }

    /// Makes this the rate of so many samples that are not zero, and that are.
    pub(crate) fn set_rate(&mut self, passes: f64, fails: f64) {
        let rate = passes / (passes + fails).max(1.0);
        for (name, value) in [("passes", passes), ("fails", fails), ("rate", rate)] {
            self.values.insert(name.to_owned(), value);
        }
    }

    /// Whether anything was measured. k6 gives zeros for a metric without samples, so a gauge or
    /// counter that is nothing but zero counts as not measured: there is no telling. So do
    /// durations that are all zero: k6 adds a zero for each request that never reached a server.
    #[must_use]
    pub fn has_samples(&self) -> bool {
        let all_zero = || {
            let mut values = self.values.iter().filter(|(name, _)| *name != "count");
            values.all(|(_, value)| *value == 0.0)
        };
        match self.count() {
            Some(count) => count != 0.0 && !(self.is_duration() && all_zero()),
            None => !all_zero(),
        }
    }

    /// Whether this is the duration of something, which never is zero.
    pub(crate) fn is_duration(&self) -> bool {
        let base = without_tags(&self.name);
        let timed = base.ends_with("_duration") || base == "http_req_waiting";
        self.kind == MetricKind::Trend && timed
    }

    /// Whether this is, or may be, the time that requests took, those without an answer among them.
    pub(crate) fn times_requests(&self) -> bool {
        const OF_K6: [&str; 6] = [
            "browser_",
            "group_",
            "grpc_",
            "iteration_",
            "ws_",
            "http_req_duration{expected_response:true",
        ];
        let of_others = OF_K6.iter().any(|prefix| self.name.starts_with(prefix));
        self.is_duration() && !of_others
    }

    /// The unit of the value with this aggregation. A trend without a unit whose name ends in
    /// `_duration` is read as milliseconds: k6's own are named so, and scripts add
    /// `timings.duration` to theirs.
    #[must_use]
    pub fn unit(&self, aggregation: Aggregation) -> Unit {
        match (self.kind, self.contains, aggregation) {
            (MetricKind::Rate, _, _) => Unit::Ratio,
            (MetricKind::Counter, Contains::Data, Aggregation::Rate) => Unit::BytesPerSecond,
            (MetricKind::Counter, _, Aggregation::Rate) => Unit::PerSecond,
            (_, Contains::Data, _) => Unit::Bytes,
            (MetricKind::Counter, _, _) | (MetricKind::Trend, _, Aggregation::Count) => Unit::Count,
            (_, Contains::Time, _) => Unit::Milliseconds,
            _ if self.is_duration() => Unit::Milliseconds,
            _ => Unit::None,
        }
    }
}

fn finite_numbers<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let values = BTreeMap::<String, serde_json::Value>::deserialize(deserializer)?;
    Ok(values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_f64().filter(|v| v.is_finite())?)))
        .collect())
}

/// The metric that a submetric such as `checks{url:list}` is of; of any other name, the name.
pub(crate) fn without_tags(name: &str) -> &str {
    name.split_once('{').map_or(name, |(metric, _)| metric)
}
