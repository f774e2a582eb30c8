//! The orchestrator's own series. load-tests/grafana/README.md describes them; the dashboards read them.

use k6_summary::{ThresholdState, Unit};

use super::revision;
use super::wire::Series;
use crate::record::{Outcome, RunRecord, TestRecord};
use crate::server::Sample;

/// What every series of a test is tagged with, k6's as well as these.
#[derive(Debug, Clone)]
pub struct Tags {
    /// The name of the run's folder.
    pub testid: String,
    /// The profile.
    pub profile: String,
    /// The test.
    pub test: String,
    /// The revision under test.
    pub revision: String,
}

impl Tags {
    /// Those of `test` in `run`; a step of a search has a `testid` of its own.
    pub fn of(run: &RunRecord, testid: &str, test: &str) -> Self {
        Self {
            testid: testid.to_owned(),
            profile: run.profile.clone(),
            test: test.to_owned(),
            revision: revision(run),
        }
    }

    fn labels(&self) -> [(&str, &str); 4] {
        [
            ("testid", &self.testid),
            ("profile", &self.profile),
            ("test", &self.test),
            ("revision", &self.revision),
        ]
    }
}

/// That the test runs: its start, said once more.
pub fn started(tags: &Tags, from_unix_ms: f64, now_ms: f64) -> Series {
    let name = "tachikoma_load_test_start_time_seconds";
    Series::new(name, tags.labels(), [(now_ms, from_unix_ms / 1000.0)])
}

/// That the test has ended.
pub fn ended(tags: &Tags, now_ms: f64) -> Series {
    let name = "tachikoma_load_test_end_time_seconds";
    Series::new(name, tags.labels(), [(now_ms, now_ms / 1000.0)])
}

/// What the server spent since the test began, when it was as in `first`.
pub fn usage(tags: &Tags, samples: &[Sample], first: &Sample, from_unix_ms: f64) -> [Series; 2] {
    let at = |sample: &Sample| from_unix_ms + (sample.elapsed_s - first.elapsed_s) * 1000.0;
    let cpu = |sample: &Sample| (at(sample), sample.cpu_s - first.cpu_s);
    let memory = |sample: &Sample| (at(sample), sample.rss_bytes as f64);
    [
        Series::new(
            "tachikoma_load_test_server_cpu_seconds_total",
            tags.labels(),
            samples.iter().map(cpu),
        ),
        Series::new(
            "tachikoma_load_test_server_memory_bytes",
            tags.labels(),
            samples.iter().map(memory),
        ),
    ]
}

/// The verdict on a test, and its figures as a whole.
pub fn settled(tags: &Tags, test: &TestRecord, now_ms: f64) -> Vec<Series> {
    let one = |name: &str, labels: &[(&str, &str)], value: f64| {
        let labels = tags.labels().into_iter().chain(labels.iter().copied());
        Series::new(name, labels, [(now_ms, value)])
    };
    let passed = match test.outcome {
        Outcome::Passed => Some(1.0),
        Outcome::Failed => Some(0.0),
        // It says nothing about the server.
        Outcome::Interrupted | Outcome::NotRun | Outcome::CouldNotRun => None,
    };
    let passed = passed.map(|passed| one("tachikoma_load_test_passed", &[], passed));
    let mut series = Vec::from_iter(passed);
    for row in &test.thresholds {
        let passed = match row.state {
            ThresholdState::Passed => 1.0,
            ThresholdState::Crossed | ThresholdState::Undecided => 0.0,
            ThresholdState::NotEvaluated => continue,
        };
        let labels = [("metric", &*row.metric), ("threshold", &*row.expression)];
        series.push(one("tachikoma_load_test_threshold_passed", &labels, passed));
    }
    let trends = test.metrics.iter().flat_map(|metrics| &metrics.trends);
    for (metric, digest) in trends.filter(|(_, digest)| digest.unit == Unit::Milliseconds) {
        let (med, p95, p99) = (digest.med, digest.p95, digest.p99);
        for (quantile, value) in [("0.5", med), ("0.95", p95), ("0.99", p99)] {
            let labels = [("metric", &**metric), ("quantile", quantile)];
            let seconds = value.map(|ms| ms / 1000.0);
            series.extend(seconds.map(|s| one("tachikoma_load_test_latency_seconds", &labels, s)));
        }
    }
    let cpu = test.server_usage.and_then(|usage| usage.cpu_us_per_request);
    let name = "tachikoma_load_test_cpu_seconds_per_request";
    series.extend(cpu.map(|microseconds| one(name, &[], microseconds / 1e6)));
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags {
            testid: "r".into(),
            profile: "smoke".into(),
            test: "missions".into(),
            revision: "abc".into(),
        }
    }

    fn found(series: &[Series], labels: &[(&str, &str)]) -> Option<f64> {
        let has = |series: &&Series| {
            labels.iter().all(|(name, value)| {
                let mut all = series.labels.iter();
                all.any(|label| (&*label.0, &*label.1) == (*name, *value))
            })
        };
        series.iter().find(has).map(|series| series.samples[0].1)
    }

    #[test]
    fn a_real_runs_figures() {
        let run: RunRecord =
            serde_json::from_str(include_str!("../report/fixtures/run.json")).unwrap();
        let test = &run.tests[0];
        let series = settled(&tags(), test, 1_000.0);
        let name = |name| ("__name__", name);
        let passed = if test.outcome == Outcome::Passed {
            1.0
        } else {
            0.0
        };
        assert_eq!(
            found(
                &series,
                &[name("tachikoma_load_test_passed"), ("testid", "r")]
            ),
            Some(passed)
        );
        let p95 = test
            .metrics
            .as_ref()
            .unwrap()
            .http_req_duration
            .as_ref()
            .unwrap()
            .p95
            .unwrap();
        let latency = name("tachikoma_load_test_latency_seconds");
        assert_eq!(
            found(
                &series,
                &[
                    latency,
                    ("metric", "http_req_duration"),
                    ("quantile", "0.95")
                ]
            ),
            Some(p95 / 1000.0)
        );
        let evaluated = test
            .thresholds
            .iter()
            .filter(|row| row.state != ThresholdState::NotEvaluated)
            .count();
        let thresholds = series
            .iter()
            .filter(|series| series.labels[0].1 == "tachikoma_load_test_threshold_passed");
        assert_eq!(thresholds.count(), evaluated);
    }

    #[test]
    fn usage_counts_from_the_tests_begin() {
        let sample = |elapsed_s, cpu_s| Sample {
            elapsed_s,
            rss_bytes: 7,
            cpu_s,
            threads: 1,
            open_files: 1,
        };
        let first = sample(10.0, 3.0);
        let [cpu, memory] = usage(&tags(), &[sample(12.0, 3.5)], &first, 100_000.0);
        assert_eq!(cpu.samples, [(102_000, 0.5)]);
        assert_eq!(memory.samples, [(102_000, 7.0)]);
    }
}
