//! How a number of a test went in the comparable runs before, for small charts; and why it cannot be told, where it
//! cannot.
//!
//! This only shows: what is a regression is decided by the fence.

use super::key::Key;
use super::lines::{Line, lines};
use super::read::{Entry, Past, time};
use crate::record::{Measure, Outcome, RunRecord};

/// A number over the comparable runs that passed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// The values, oldest first.
    pub values: Vec<f64>,
    /// Why there are less than one would think; empty if there is nothing to say.
    pub note: String,
}

/// The values of `measure` in the runs that are comparable with `key` and passed, the oldest first.
pub fn comparable_points(past: &Past, key: &Key, measure: &Measure) -> Vec<f64> {
    values(past.comparable_with(key), measure)
}

impl Trend {
    /// For each test of `run`, its p95 of requests in the runs before, and in this one whatever its verdict.
    pub fn of_run(past: &Past, run: &RunRecord) -> Vec<Self> {
        let own = lines(run);
        let of_test = |name: &str| own.iter().find(|line| line.key.test == name);
        let tests = run.tests.iter();
        tests
            .map(|test| of_test(&test.name).map_or_else(Self::default, |line| Self::of(past, line)))
            .collect()
    }

    fn of(past: &Past, now: &Line) -> Self {
        let at = time(&now.at).ok();
        let before =
            |entry: &&Entry| entry.line.run != now.run && at.is_none_or(|at| entry.at <= at);
        let p95 = Measure::p95_of_requests();
        let comparable: Vec<&Entry> = past.comparable_with(&now.key).filter(before).collect();
        let mut others = past.entries.iter().filter(before).filter(|entry| {
            let (then, now) = (&entry.line.key, &now.key);
            then != now && then.test == now.test && then.profile == now.profile
        });
        let note = match (comparable.is_empty(), others.next_back()) {
            (false, _) => String::new(),
            (true, Some(other)) => format!(
                "no comparable run before: {}",
                now.key.differences(&other.line.key)
            ),
            (true, None) => "no run before: this is the first, or the history was lost".into(),
        };
        let mut values = values(comparable.into_iter(), &p95);
        values.extend(now.measured().get(&p95));
        Self { values, note }
    }
}

fn values<'a>(entries: impl Iterator<Item = &'a Entry>, measure: &Measure) -> Vec<f64> {
    let passed =
        |line: &Line| (line.outcome, line.run_outcome) == (Outcome::Passed, Outcome::Passed);
    entries
        .filter(|entry| passed(&entry.line))
        .filter_map(|entry| entry.numbers.get(measure).copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn of(lines: &[Line]) -> Trend {
        Trend::of(&testing::of(lines.to_vec()), lines.last().unwrap())
    }

    #[test]
    fn red_runs_and_other_machines_are_left_out() {
        let mut lines: Vec<Line> = (0..5).map(testing::line).collect();
        lines[1].key.host = "another".into();
        lines[2].run_outcome = Outcome::Failed;
        lines[4].run_outcome = Outcome::Failed;
        let trend = of(&lines);
        assert_eq!(
            trend.values.len(),
            3,
            "this run is shown whatever its verdict"
        );
        assert_eq!(trend.note, "");
        let key = &lines[0].key;
        let points = comparable_points(&testing::of(lines.clone()), key, &Measure::CpuPerRequest);
        assert_eq!(points.len(), 2, "a red run only stands in its own report");
    }

    #[test]
    fn only_what_was_before_a_run_is_its_past() {
        let lines: Vec<Line> = (0..5).map(testing::line).collect();
        let trend = Trend::of(&testing::of(lines.clone()), &lines[2]);
        assert_eq!(trend.values.len(), 3);
    }

    #[test]
    fn says_why_there_is_no_past() {
        assert!(of(&[testing::line(0)]).note.contains("no run before"));
        let mut moved = [testing::line(0), testing::line(1)];
        moved[1].key.host = "b".into();
        assert_eq!(
            of(&moved).note,
            "no comparable run before: the host was a processor x2, 8 GiB, linux-x86_64, now it is b"
        );
    }
}
