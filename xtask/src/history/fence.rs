//! The fence over the past of one test: its numbers of now against those of comparable runs.

use std::collections::BTreeMap;

use k6_summary::Quantity;
use load_stats::fence::{self, Fence, FenceLine, judge_by_fence};

use super::key::Key;
use super::read::{Entry, Past};
use super::references::{left_out, unfit};
use crate::record::{Kind, Measure, PastRecord, PastRow, PastState, short_commit};

/// What a test is compared with: the numbers of each comparable run that may be a reference, the oldest first.
#[derive(Debug, Default)]
pub struct Reference {
    /// How many runs those are, of a level that was accepted those that are at it.
    pub have: usize,
    /// How many a verdict needs.
    pub need: usize,
    /// What is to be said of them: which were left out and why, where their level begins.
    pub note: String,
    /// Each number's values, level by level.
    series: BTreeMap<Measure, Vec<Vec<f64>>>,
}

impl Reference {
    /// Looks for what is comparable with `key` in `past`.
    pub fn of(past: &Past, key: &Key) -> Self {
        let same: Vec<&Entry> = past.comparable_with(key).collect();
        Self::among(past, key, &same)
    }

    /// As [`Reference::of`], with the comparable runs given.
    pub fn among(past: &Past, key: &Key, same: &[&Entry]) -> Self {
        let mut places: Vec<_> = past.places(same, &key.test).collect();
        places.sort_by_key(|(index, _)| *index);
        let mut notes = Vec::new();
        if !key.k6_args.is_empty() {
            notes.push(
                "not compared: a run with arguments for k6 is comparable with no other".to_owned(),
            );
        }
        if let Some((index, accepted)) = places.last() {
            notes.push(format!(
                "the level begins at {}, accepted: {} ({index} runs before it tell the noise)",
                short_commit(&accepted.commit),
                accepted.why
            ));
        }
        let out = left_out(same.iter().copied());
        if !out.is_empty() {
            notes.push(format!("left out: {out}"));
        }
        let mut counts = vec![0; places.len() + 1];
        let mut series: BTreeMap<Measure, Vec<Vec<f64>>> = BTreeMap::new();
        for (index, entry) in same.iter().enumerate() {
            if unfit(entry).is_some() {
                continue;
            }
            let level = places.partition_point(|(start, _)| *start <= index);
            counts[level] += 1;
            for (measure, value) in &entry.numbers {
                let levels = series.entry(measure.clone()).or_default();
                levels.resize_with(counts.len(), Vec::new);
                levels[level].push(*value);
            }
        }
        let (have, need) = fence::have_and_need(&counts);
        notes.extend(elsewhere(past, key).filter(|_| have < need));
        Self {
            have,
            need,
            note: notes.join("; "),
            series,
        }
    }

    /// Compares the numbers of now with those of the past. A suspect has the state [`PastState::Regression`].
    pub fn compare(&self, now: &BTreeMap<Measure, f64>) -> PastRecord {
        let what = match self.need {
            fence::NEED => "history too short",
            _ => "the level is new",
        };
        let short =
            (self.have < self.need).then(|| format!("{what}: {} of {}", self.have, self.need));
        let notes = short.into_iter().chain([self.note.clone()]);
        let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
        PastRecord {
            have: self.have,
            need: self.need,
            note: notes.join("; "),
            metrics: now
                .iter()
                .map(|(measure, value)| self.row(measure, *value))
                .collect(),
        }
    }

    fn row(&self, measure: &Measure, value: f64) -> PastRow {
        let levels = self.series.get(measure).map_or(&[][..], Vec::as_slice);
        if *measure == Measure::FailedRequests {
            return failed_row(value, levels);
        }
        let mut note = String::new();
        let (state, line) = match fence_of(levels, value, measure.kind()) {
            Fence::NotEnough => (PastState::Shown, None),
            Fence::Shown(line) => (PastState::Shown, Some(line)),
            Fence::Within(line) => (PastState::Within, Some(line)),
            Fence::Better(line) => (PastState::Better, Some(line)),
            Fence::Suspect(line) => (PastState::Regression, Some(line)),
            Fence::NotComparable { why } => {
                note = why;
                (PastState::NotComparable, None)
            }
        };
        // What the test's own history lacks is said once for all metrics.
        if state == PastState::Shown && self.have >= self.need {
            let counts: Vec<usize> = levels.iter().map(Vec::len).collect();
            let (have, need) = fence::have_and_need(&counts);
            note = format!("this metric's history is too short: {have} of {need}");
        }
        PastRow {
            metric: measure.clone(),
            unit: measure.unit(),
            value,
            reference: line.map(|line| line.reference),
            change: line.map(|line| line.change),
            fence: line.map(|line| line.fence),
            state,
            note,
        }
    }
}

/// Judges a value of this kind. Where more is better that is done with what a unit of it costs: its inverse.
pub fn fence_of(levels: &[Vec<f64>], value: f64, kind: Kind) -> Fence {
    let floor = kind.floor_by_night();
    if !kind.more_is_better() {
        return judge_by_fence(levels, value, floor);
    }
    let inverse = |level: &Vec<f64>| level.iter().map(|value| value.recip()).collect();
    let levels: Vec<Vec<f64>> = levels.iter().map(inverse).collect();
    let back = |line: FenceLine| FenceLine {
        reference: line.reference.recip(),
        change: (1.0 + line.change).recip() - 1.0,
        fence: line.fence / (1.0 + line.fence),
    };
    match judge_by_fence(&levels, value.recip(), floor) {
        Fence::Shown(line) => Fence::Shown(back(line)),
        Fence::Within(line) => Fence::Within(back(line)),
        Fence::Better(line) => Fence::Better(back(line)),
        Fence::Suspect(line) => Fence::Suspect(back(line)),
        other @ (Fence::NotEnough | Fence::NotComparable { .. }) => other,
    }
}

/// How many runs other kinds of machines have, if any has one: a fleet that mixes them has a history of each.
fn elsewhere(past: &Past, key: &Key) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let fit = past.entries.iter().filter(|entry| unfit(entry).is_none());
    for other in fit.map(|entry| &entry.line.key) {
        if other.is_of_another_host(key) {
            *counts.entry(&other.host).or_default() += 1;
        }
    }
    let texts: Vec<String> = counts
        .iter()
        .map(|(host, n)| format!("{n} on {host}"))
        .collect();
    (!texts.is_empty()).then(|| format!("other machines: {}", texts.join(", ")))
}

/// The largest share of failed requests in the newest runs of all levels, as many as make a fence.
fn worst_failed(levels: &[Vec<f64>]) -> f64 {
    let newest = levels.iter().flatten().rev().take(fence::WINDOW);
    newest.copied().fold(0.0, f64::max)
}

/// The share of failed requests above which a run is suspect. It is 0 on most nights, so that it has no relative change:
/// the bound lies the floor above the worst of them.
pub fn failed_bound(levels: &[Vec<f64>]) -> f64 {
    worst_failed(levels) + Kind::Failed.floor_by_night()
}

fn failed_row(value: f64, levels: &[Vec<f64>]) -> PastRow {
    let have = levels.iter().flatten().count();
    let state = if have < fence::NEED {
        PastState::Shown
    } else if value > failed_bound(levels) {
        PastState::Regression
    } else {
        PastState::Within
    };
    let unit = Measure::FailedRequests.unit();
    let bound = Quantity::new(failed_bound(levels), unit);
    PastRow {
        metric: Measure::FailedRequests,
        unit,
        value,
        reference: (have > 0).then(|| worst_failed(levels)),
        change: None,
        fence: None,
        state,
        note: if have == 0 {
            String::new()
        } else {
            format!("suspect above {bound}")
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Line;
    use super::super::testing;
    use super::*;

    fn judged(past: &Past, now: &Line) -> PastRecord {
        let reference = Reference::of(past, &now.key);
        reference.compare(&now.measured())
    }

    fn state(record: &PastRecord, metric: &str) -> PastState {
        let metric = Measure::try_from(metric.to_owned()).unwrap();
        let row = record.metrics.iter().find(|row| row.metric == metric);
        row.unwrap_or_else(|| panic!("no {metric}")).state
    }

    #[test]
    fn thirty_comparable_runs_give_a_verdict() {
        let past = testing::past(31);
        let same = judged(&past, &testing::line(31));
        assert_eq!((same.have, same.need, same.note.as_str()), (31, 30, ""));
        assert!(
            same.metrics
                .iter()
                .all(|row| row.state == PastState::Within),
            "{same:?}"
        );
        let worse = judged(&past, &testing::scaled(31, 1.3));
        for metric in [
            "http_req_duration med",
            "http_req_duration p(95)",
            "server CPU per request",
        ] {
            assert_eq!(state(&worse, metric), PastState::Regression, "{metric}");
        }
        assert_eq!(state(&worse, "server peak memory"), PastState::Within);
        let better = judged(&past, &testing::scaled(31, 0.7));
        assert_eq!(state(&better, "http_req_duration med"), PastState::Better);
    }

    #[test]
    fn a_short_history_is_said_and_shown_and_never_fails() {
        for (nights, referenced) in [(0, false), (7, false), (8, true), (29, true)] {
            let record = judged(&testing::past(nights), &testing::scaled(40, 9.0));
            assert_eq!(record.note, format!("history too short: {nights} of 30"));
            assert!(
                record
                    .metrics
                    .iter()
                    .all(|row| row.state == PastState::Shown)
            );
            assert_eq!(
                record.metrics[0].reference.is_some(),
                referenced,
                "{nights}"
            );
        }
    }

    #[test]
    fn a_fleet_of_several_processors_is_told_how_many_nights_each_has_until_it_is_judged() {
        let mut lines: Vec<Line> = (0..50).map(testing::line).collect();
        for (night, line) in lines.iter_mut().enumerate() {
            match night {
                0..12 => line.key.host = "an AMD".into(),
                12..17 => line.key.host = "an Intel".into(),
                17 => (line.key.host, line.slowed) = ("an Intel".into(), true),
                _ => {}
            }
        }
        let of = |nights| {
            judged(
                &testing::of(lines[..nights].to_vec()),
                &testing::line(nights),
            )
        };
        let note = of(21).note;
        assert_eq!(
            note,
            "history too short: 3 of 30; other machines: 12 on an AMD, 5 on an Intel"
        );
        assert_eq!(of(48).note, "", "what is judged needs no excuse");
        lines[30].key.rust = Some("1.99".into());
        let other_compiler = Line {
            key: Key {
                rust: Some("1.95".into()),
                ..testing::line(49).key
            },
            ..testing::line(49)
        };
        assert_eq!(judged(&testing::of(lines), &other_compiler).have, 31);
    }

    #[test]
    fn other_keys_and_unfit_runs_do_not_count_and_are_said() {
        let mut lines: Vec<Line> = (0..40).map(testing::line).collect();
        for line in &mut lines[..4] {
            line.dirty = Some(true);
        }
        for line in &mut lines[4..10] {
            line.key.k6 = "2.0".into();
        }
        lines[10].run_outcome = crate::record::Outcome::Failed;
        let record = judged(&testing::of(lines), &testing::line(41));
        assert_eq!(record.have, 29);
        assert_eq!(
            record.note,
            "history too short: 29 of 30; left out: 4 with uncommitted changes, 1 failed"
        );
    }

    #[test]
    fn arguments_for_k6_are_said_to_be_in_the_way() {
        let mut now = testing::line(41);
        now.key.k6_args = vec!["--vus".into(), "3".into()];
        let record = judged(&testing::past(40), &now);
        assert_eq!(record.have, 0);
        assert!(record.note.contains("arguments for k6"), "{}", record.note);
    }

    #[test]
    fn an_accepted_change_renews_the_level_and_keeps_the_noise() {
        // A step of 30 % on the tenth night, which was accepted.
        let level = |night| if night < 10 { 1.0 } else { 1.3 };
        let past = |nights| {
            let lines = (0..nights).map(|night| testing::scaled(night, level(night)));
            let mut past = testing::of(lines.collect());
            past.accepted.push(testing::accepted("validated now"));
            past
        };
        let judged = |nights, factor| judged(&past(nights), &testing::scaled(nights, factor));
        let record = judged(40, 1.3);
        assert_eq!((record.have, record.need), (30, 3));
        let said = "accepted: validated now (10 runs before it tell the noise)";
        assert!(record.note.contains(said), "{}", record.note);
        for (factor, expected) in [
            (1.0, PastState::Better),
            (1.3, PastState::Within),
            (1.6, PastState::Regression),
        ] {
            let record = judged(40, factor);
            assert_eq!(state(&record, "http_req_duration med"), expected);
        }
    }

    #[test]
    fn a_level_of_three_runs_is_a_reference_if_the_noise_is_known() {
        let past = |since: &str| {
            let mut past = testing::past(40);
            past.accepted.push(super::super::lines::Accepted {
                since: Some(since.into()),
                ..testing::accepted("wanted")
            });
            past
        };
        for (since, have, expected) in [
            // Nights 37, 38 and 40 of them, and none at all.
            ("2026-02-10T02:00:00Z", 3, PastState::Regression),
            ("2026-02-11T02:00:00Z", 2, PastState::Shown),
            ("2026-02-13T02:00:00Z", 0, PastState::Shown),
        ] {
            let record = judged(&past(since), &testing::scaled(40, 1.5));
            assert_eq!((record.have, record.need), (have, 3), "{since}");
            assert_eq!(state(&record, "http_req_duration med"), expected, "{since}");
            let short = record
                .note
                .starts_with(&format!("the level is new: {have} of 3; the level"));
            assert_eq!(short, have < 3, "{}", record.note);
        }
    }

    #[test]
    fn a_capacity_is_worse_where_it_is_less() {
        let users = Measure::Capacity(crate::record::LoadUnit::Users);
        let found = |night: usize, value: f64| {
            let mut line = testing::line(night);
            line.metrics = None;
            line.capacity = Some(crate::record::Followed {
                unit: crate::record::LoadUnit::Users,
                value,
            });
            line
        };
        let usual = |night: usize| 300.0 + (night % 5) as f64;
        let past = testing::of((0..31).map(|night| found(night, usual(night))).collect());
        for (value, expected) in [
            (250.0, PastState::Regression),
            (290.0, PastState::Within),
            (360.0, PastState::Better),
        ] {
            let record = judged(&past, &found(31, value));
            let row = &record.metrics[0];
            assert_eq!((&row.metric, row.state), (&users, expected), "{row:?}");
            let (reference, change) = (row.reference.unwrap(), row.change.unwrap());
            assert!((reference - 302.0).abs() < 1e-9, "{reference}");
            assert!((change - (value / 302.0 - 1.0)).abs() < 1e-9, "{change}");
        }
    }

    #[test]
    fn failed_requests_are_judged_by_difference() {
        let past = testing::past(31);
        for (ratio, expected) in [
            (0.0, PastState::Within),
            (0.0015, PastState::Within),
            (0.004, PastState::Regression),
        ] {
            let mut now = testing::line(31);
            now.metrics.as_mut().unwrap().http_failed_ratio = Some(ratio);
            assert_eq!(
                state(&judged(&past, &now), "failed requests"),
                expected,
                "{ratio}"
            );
        }
    }
}
