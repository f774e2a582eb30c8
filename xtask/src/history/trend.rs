//! How a test's p95 went in the runs before, for a small chart; and why it cannot be told, where it cannot.
//!
//! This only draws: what is a regression is decided elsewhere.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::Value;

use super::lines;
use crate::record::{RunRecord, TestRecord};

/// The most points of a chart: more are not to be told apart on a phone.
const MAX_POINTS: usize = 30;

/// A test's p95 of `http_req_duration` over the comparable runs that passed, this one included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// Milliseconds, oldest first.
    pub p95_ms: Vec<f64>,
    /// Why there is less than one would think; empty if there is nothing to say.
    pub note: String,
}

impl Trend {
    /// Reads it from the history in `results`, for a test of the run named `run`, which has been appended there.
    ///
    /// A history that cannot be read says nothing: lines that are not understood are left out.
    pub fn look(results: &Path, run: &str, test: &str) -> Self {
        let Ok(file) = std::fs::File::open(results.join(lines::FILE)) else {
            return Self::default();
        };
        let lines: Vec<Value> = BufReader::new(file)
            .split(b'\n')
            .map_while(Result::ok)
            .filter_map(|line| serde_json::from_slice(&line).ok())
            .filter(|line: &Value| line["key"]["test"] == test)
            .collect();
        Self::of(&lines, run)
    }

    /// The trends of the tests of `run`, in their order.
    pub fn of_run(results: &Path, run: &RunRecord) -> Vec<Self> {
        let look = |test: &TestRecord| Self::look(results, &run.run, &test.name);
        run.tests.iter().map(look).collect()
    }

    fn of(lines: &[Value], run: &str) -> Self {
        let Some(this) = lines.iter().rev().find(|line| line["run"] == run) else {
            return Self::default();
        };
        let key = &this["key"];
        let earlier: Vec<&Value> = lines.iter().filter(|line| line["run"] != run).collect();
        let comparable = earlier.iter().filter(|line| line["key"] == *key).count();
        let passed = |line: &&Value| line["key"] == *key && line["run_outcome"] == "passed";
        let mut p95_ms: Vec<f64> = earlier
            .iter()
            .copied()
            .filter(passed)
            .chain([this])
            .filter_map(|line| line["metrics"]["http_req_duration"]["p95"].as_f64())
            .collect();
        p95_ms.drain(..p95_ms.len().saturating_sub(MAX_POINTS));
        let profile = &key["profile"];
        let mut others = earlier
            .iter()
            .filter(|line| line["key"] != *key && line["key"]["profile"] == *profile);
        let note = match (comparable, others.next_back()) {
            (0, Some(other)) => format!(
                "no comparable run before: {}",
                differences(&other["key"], key)
            ),
            (0, None) => "no run before: this is the first, or the history was lost".into(),
            _ => String::new(),
        };
        Self { p95_ms, note }
    }
}

/// What differs between two keys, in words.
fn differences(then: &Value, now: &Value) -> String {
    let fields = now.as_object().into_iter().flatten();
    let differing = fields.filter(|(name, value)| then[name.as_str()] != **value);
    let words: Vec<String> = differing
        .map(|(name, value)| {
            format!(
                "the {} was {}, now it is {}",
                name.replace('_', " "),
                bare(&then[name.as_str()]),
                bare(value)
            )
        })
        .collect();
    words.join("; ")
}

fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(run: &str, host: &str, outcome: &str, p95: f64) -> Value {
        json!({
            "run": run, "run_outcome": outcome,
            "key": {"test": "health", "profile": "load", "host": host},
            "metrics": {"http_req_duration": {"p95": p95}},
        })
    }

    #[test]
    fn red_runs_and_other_machines_are_left_out() {
        let lines = [
            line("1", "a", "passed", 1.0),
            line("2", "b", "passed", 2.0),
            line("3", "a", "failed", 3.0),
            line("4", "a", "failed", 4.0),
        ];
        let trend = Trend::of(&lines, "4");
        assert_eq!(
            trend.p95_ms,
            [1.0, 4.0],
            "this run is shown whatever its verdict"
        );
        assert_eq!(trend.note, "");
    }

    #[test]
    fn says_why_there_is_no_past() {
        let first = [line("1", "a", "passed", 1.0)];
        assert!(Trend::of(&first, "1").note.contains("no run before"));
        let moved = [line("1", "a", "passed", 1.0), line("2", "b", "passed", 1.0)];
        assert_eq!(
            Trend::of(&moved, "2").note,
            "no comparable run before: the host was a, now it is b"
        );
    }

    #[test]
    fn broken_lines_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let good = line("1", "a", "passed", 1.5).to_string();
        let text = [good.as_bytes(), b"\n{\"half\n\xff\xfe\n[]\n"].concat();
        std::fs::write(dir.path().join("history.jsonl"), text).unwrap();
        assert_eq!(Trend::look(dir.path(), "1", "health").p95_ms, [1.5]);
        assert_eq!(Trend::look(dir.path(), "1", "specs"), Trend::default());
        assert_eq!(
            Trend::look(&dir.path().join("none"), "1", "health"),
            Trend::default()
        );
    }
}
