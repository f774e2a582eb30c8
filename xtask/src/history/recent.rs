//! How a number of a test went in the comparable runs before, for small charts; and why it cannot be told, where it
//! cannot.
//!
//! This only shows: what is a regression is decided by the fence.

use std::path::{Component, Path, PathBuf};

use super::key::Key;
use super::lines::{Line, lines};
use super::read::{Entry, Past, time};
use super::references::unfit;
use crate::record::{Measure, Outcome, RunRecord};

/// A number over the comparable runs that passed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trend {
    /// The values, oldest first.
    pub values: Vec<f64>,
    /// Why there are less than one would think; empty if there is nothing to say.
    pub note: String,
    /// The newest comparable run before that passed.
    pub before: Option<String>,
}

/// The value of a run that passed, among those that are comparable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComparablePoint {
    /// The value.
    pub value: f64,
    /// Whether later runs are compared with it.
    pub is_reference: bool,
    /// Whether a change was accepted since the run before it: a new level begins.
    pub begins: bool,
}

/// The values of `measure` in the runs that are comparable with `key` and passed, the oldest first.
pub fn comparable_points(past: &Past, key: &Key, measure: &Measure) -> Vec<ComparablePoint> {
    let entries: Vec<&Entry> = past.comparable_with(key).filter(passed).collect();
    let starts: Vec<usize> = past.places(&entries, &key.test).map(|(at, _)| at).collect();
    let points = entries.iter().enumerate().filter_map(|(at, entry)| {
        Some(ComparablePoint {
            value: *entry.numbers.get(measure)?,
            is_reference: unfit(entry).is_none(),
            begins: starts.contains(&at),
        })
    });
    points.collect()
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
        let passed: Vec<&Entry> = comparable.into_iter().filter(passed).collect();
        let values = passed.iter().filter_map(|entry| entry.numbers.get(&p95));
        Self {
            values: values.chain(now.measured().get(&p95)).copied().collect(),
            note,
            before: passed.last().map(|entry| entry.line.run.clone()),
        }
    }

    /// The folder of the run before, beside `folder`, if it is still there.
    pub fn before_in(&self, folder: &Path) -> Option<PathBuf> {
        let run = Path::new(self.before.as_ref()?);
        // A history may come from anywhere: nothing but a sibling is meant.
        let is_name = matches!(
            run.components().collect::<Vec<_>>()[..],
            [Component::Normal(_)]
        );
        let before = folder.parent()?.join(run);
        (is_name && before.is_dir()).then_some(before)
    }
}

fn passed(entry: &&Entry) -> bool {
    let line = &entry.line;
    (line.outcome, line.run_outcome) == (Outcome::Passed, Outcome::Passed)
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
        assert_eq!(trend.before.as_deref(), Some(&*lines[3].run));
    }

    #[test]
    fn points_tell_references_and_levels() {
        let mut lines: Vec<Line> = (0..4).map(testing::line).collect();
        lines[1].dirty = Some(true);
        let mut past = testing::of(lines.clone());
        let mut accepted = testing::accepted("validated now");
        accepted.committed_at = lines[2].at.clone();
        past.accepted = vec![accepted];
        let points = comparable_points(&past, &lines[0].key, &Measure::CpuPerRequest);
        let told: Vec<_> = points
            .iter()
            .map(|it| (it.is_reference, it.begins))
            .collect();
        let expected = [(true, false), (false, false), (true, true), (true, false)];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_run_before_is_a_sibling_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["now", "before"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let seen = |before: &str| {
            let before = Some(before.to_owned());
            let trend = Trend {
                before,
                ..Trend::default()
            };
            trend.before_in(&dir.path().join("now")).is_some()
        };
        assert!(seen("before"));
        let absolute = dir.path().join("before");
        for other in ["gone", "../before", "..", "", absolute.to_str().unwrap()] {
            assert!(!seen(other), "{other}");
        }
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
