//! What `history` shows: for each series of comparable runs and each metric its points, verdict and changes of level.

use load_stats::change_points::{ChangePoint, change_points};
use serde::Serialize;

use super::fence::Reference;
use super::key::Key;
use super::points::{HistoryPoint, points};
use super::read::{Entry, Past};
use super::references::telling;
use crate::cli::History;
use crate::record::{Kind, PastRow};

/// How many of the newest runs are searched for changes of level: the time grows with the square of it.
const SEARCHED: usize = 120;

/// All runs of one test that are comparable with each other.
#[derive(Debug, Serialize)]
pub struct ComparableRuns {
    /// What they share.
    pub key: Key,
    /// How many runs there are.
    pub runs: usize,
    /// How many of them are references for the newest one.
    pub have: usize,
    /// How many a verdict needs.
    pub need: usize,
    /// What is to be said of the newest run's references.
    pub note: String,
    /// Accepted changes that fall among the runs.
    pub accepted: Vec<AcceptedMark>,
    /// The metrics.
    pub metrics: Vec<Metric>,
}

/// An accepted change.
#[derive(Debug, Clone, Serialize)]
pub struct AcceptedMark {
    /// Index of the first run that has it; the number of runs if none has.
    pub index: usize,
    /// The revision.
    pub commit: String,
    /// Why it is intended.
    pub why: String,
}

/// One metric of a series.
#[derive(Debug, Serialize)]
pub struct Metric {
    /// What sort of number it is.
    pub kind: Kind,
    /// The newest run's value against the ones before it.
    pub last: PastRow,
    /// Every run's value, the oldest first.
    pub points: Vec<HistoryPoint>,
    /// Changes of level, the oldest first.
    pub changes: Vec<LevelChange>,
}

/// A change of level.
#[derive(Debug, Clone, Serialize)]
pub struct LevelChange {
    /// Index of the first run at the new level.
    pub index: usize,
    /// Its date, in UTC.
    pub at: String,
    /// The revision of the last run at the old level.
    pub from: Option<String>,
    /// The revision of the first run at the new level.
    pub to: Option<String>,
    /// Median of the level before.
    pub before: f64,
    /// Median of the level after.
    pub after: f64,
    /// Relative change of level: 0.1 is +10 %.
    pub change: f64,
    /// p-value of the permutation test.
    pub p: f64,
}

/// The series that `args` asks for, in the order in which they began.
pub fn runs_of(past: &Past, args: &History) -> Vec<ComparableRuns> {
    let wanted = |key: &&Key| {
        let profile = args.profile.as_ref();
        let profile = profile.is_none_or(|profile| *profile == key.profile);
        profile && args.shows(&key.test) && key.k6_args.is_empty()
    };
    let keys = past.keys().into_iter().filter(wanted);
    keys.filter_map(|key| one(past, key)).collect()
}

fn one(past: &Past, key: &Key) -> Option<ComparableRuns> {
    let entries: Vec<&Entry> = past
        .comparable_with(key)
        .filter(|entry| !entry.numbers.is_empty())
        .collect();
    let (newest, before) = entries.split_last()?;
    let reference = Reference::among(past, key, before);
    let judged = reference.compare(&newest.numbers);
    let accepted: Vec<AcceptedMark> = past
        .places(&entries, &key.test)
        .map(|(index, accepted)| AcceptedMark {
            index,
            commit: accepted.commit.clone(),
            why: accepted.why.clone(),
        })
        .collect();
    let starts: Vec<usize> = accepted.iter().map(|mark| mark.index).collect();
    let metrics = judged.metrics.into_iter().map(|last| {
        let kind = last.metric.kind();
        let points = points(&entries, &last.metric, &starts);
        Metric {
            kind,
            changes: changes(&entries, &points, kind),
            points,
            last,
        }
    });
    Some(ComparableRuns {
        key: key.clone(),
        runs: entries.len(),
        have: judged.have,
        need: judged.need,
        note: judged.note,
        accepted,
        metrics: metrics.collect(),
    })
}

/// Changes of level beyond the metric's floor among the newest runs that show what a revision is like.
fn changes(entries: &[&Entry], points: &[HistoryPoint], kind: Kind) -> Vec<LevelChange> {
    let telling: Vec<&HistoryPoint> = points
        .iter()
        .filter(|point| telling(entries[point.index]))
        .collect();
    let newest = &telling[telling.len().saturating_sub(SEARCHED)..];
    let values: Vec<f64> = newest.iter().map(|point| point.value).collect();
    let found = change_points(&values);
    let change = |point: &ChangePoint| {
        let first = newest.get(point.index)?;
        let last = newest.get(point.index.checked_sub(1)?)?;
        let change = point.after / point.before - 1.0;
        let large = match kind {
            Kind::Failed => (point.after - point.before).abs() > kind.floor_by_night(),
            _ => change.abs() > kind.floor_by_night(),
        };
        large.then(|| LevelChange {
            index: first.index,
            at: first.at.clone(),
            from: last.commit.clone(),
            to: first.commit.clone(),
            before: point.before,
            after: point.after,
            change,
            p: point.p,
        })
    };
    found.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::lines::Line;
    use super::super::testing;
    use super::*;
    use crate::cli::{Cli, Command};

    fn args(words: &str) -> History {
        let words = ["xtask", "history"]
            .into_iter()
            .chain(words.split_whitespace());
        match Cli::try_parse_from(words).unwrap().command {
            Command::History(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn show(lines: Vec<Line>, words: &str) -> Vec<ComparableRuns> {
        runs_of(&testing::of(lines), &args(words))
    }

    #[test]
    fn series_are_chosen_by_profile_and_test() {
        let mut lines: Vec<Line> = (0..10).map(testing::line).collect();
        lines[3].key.test = "specs".into();
        lines[4].key.profile = "stress".into();
        lines[5].key.k6_args = vec!["--vus".into()];
        assert_eq!(show(lines.clone(), "").len(), 3);
        let load = show(lines.clone(), "load missions");
        assert_eq!((load.len(), load[0].runs, load[0].have), (1, 7, 6));
        assert!(show(lines, "soak").is_empty());
    }

    #[test]
    fn a_change_of_level_has_its_revisions_and_date() {
        let lines = (0..50)
            .map(|night| testing::scaled(night, if night < 30 { 1.0 } else { 1.2 }))
            .collect();
        let all = show(lines, "");
        let metric = &all[0].metrics[0];
        assert_eq!(metric.points.len(), 50);
        let [change] = metric.changes.as_slice() else {
            panic!("{:?}", metric.changes)
        };
        assert_eq!(change.index, 30);
        assert_eq!(change.from, Some(testing::commit(29)));
        assert_eq!(change.to, Some(testing::commit(30)));
        assert_eq!(change.at, testing::line(30).at);
        assert!((change.change - 0.2).abs() < 0.03, "{change:?}");
        let memory = all[0]
            .metrics
            .iter()
            .find(|m| m.kind == Kind::Memory)
            .unwrap();
        assert!(memory.changes.is_empty());
    }

    #[test]
    fn runs_with_uncommitted_changes_make_no_change_of_level() {
        let lines = (0..50)
            .map(|night| Line {
                dirty: Some(night >= 30),
                ..testing::scaled(night, if night < 30 { 1.0 } else { 1.2 })
            })
            .collect();
        let all = show(lines, "");
        assert!(all[0].metrics[0].changes.is_empty());
        assert_eq!(
            all[0].metrics[0].points[40].unfit,
            Some("with uncommitted changes")
        );
    }
}
