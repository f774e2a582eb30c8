//! The fence over the past of one test: its numbers of now beside those of comparable runs.

use std::collections::BTreeMap;

use k6_summary::Quantity;
use load_stats::fence::{self, Fence, judge_by_fence};

use super::accept::Lineage;
use super::key::Key;
use super::read::{Entry, Past};
use super::references::{left_out, unfit};
use crate::record::{Kind, Measure, PastRecord, PastRow, PastState, short_commit};

/// What a test is compared with: the numbers of each comparable run that may be a reference, the oldest first.
#[derive(Debug, Default)]
pub struct Reference {
    /// How many runs those are.
    pub have: usize,
    /// What is to be said of them: which were left out and why, where the past begins.
    pub note: String,
    series: BTreeMap<Measure, Vec<f64>>,
}

impl Reference {
    /// Looks for what is comparable with `key` in `past`.
    pub fn of(past: &Past, lineage: &Lineage, key: &Key) -> Self {
        let same: Vec<&Entry> = past.comparable_with(key).collect();
        Self::among(past, lineage, key, &same)
    }

    /// As [`Reference::of`], with the comparable runs given.
    pub fn among(past: &Past, lineage: &Lineage, key: &Key, same: &[&Entry]) -> Self {
        let begin = lineage.start(past, same, &key.test);
        let mut notes = Vec::new();
        if !key.k6_args.is_empty() {
            notes.push("not compared: a run with arguments for k6 is like no other".to_owned());
        }
        if let Some((index, accepted)) = begin {
            notes.push(format!(
                "the past begins at {}, accepted: {} ({index} runs before it)",
                short_commit(&accepted.commit),
                accepted.why
            ));
        }
        let since = same
            .get(begin.map_or(0, |(index, _)| index)..)
            .unwrap_or_default();
        let out = left_out(since.iter().map(|entry| &entry.line));
        if !out.is_empty() {
            notes.push(format!("left out: {out}"));
        }
        let mut reference = Self {
            note: notes.join("; "),
            ..Self::default()
        };
        for entry in since.iter().filter(|entry| unfit(&entry.line).is_none()) {
            reference.have += 1;
            for (measure, value) in &entry.numbers {
                let series = reference.series.entry(measure.clone()).or_default();
                series.push(*value);
            }
        }
        reference
    }

    /// Puts the numbers of now beside those of the past. A suspect has the state [`PastState::Regression`].
    pub fn compare(&self, now: &BTreeMap<Measure, f64>) -> PastRecord {
        let short = (self.have < fence::NEED)
            .then(|| format!("history too short: {} of {}", self.have, fence::NEED));
        let notes = short.into_iter().chain([self.note.clone()]);
        let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
        PastRecord {
            have: self.have,
            need: fence::NEED,
            note: notes.join("; "),
            metrics: now
                .iter()
                .map(|(measure, value)| self.row(measure, *value))
                .collect(),
        }
    }

    fn row(&self, measure: &Measure, value: f64) -> PastRow {
        let history = self.series.get(measure).map_or(&[][..], Vec::as_slice);
        if *measure == Measure::FailedRequests {
            return failed_row(value, history);
        }
        let mut note = String::new();
        let (state, line) = match judge_by_fence(history, value, measure.kind().floor_by_night()) {
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
        let have = history.len();
        // What the test's own history lacks is said once for all metrics.
        if state == PastState::Shown && have != self.have {
            let need = fence::NEED;
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

/// The largest share of failed requests in the newest runs of `history`, as many as make a fence.
fn worst_failed(history: &[f64]) -> f64 {
    let newest = &history[history.len().saturating_sub(fence::WINDOW)..];
    newest.iter().copied().fold(0.0, f64::max)
}

/// The share of failed requests above which a run is suspect. It is 0 on most nights, so that it has no relative change:
/// the bound lies the floor above the worst of them.
pub fn failed_bound(history: &[f64]) -> f64 {
    worst_failed(history) + Kind::Failed.floor_by_night()
}

fn failed_row(value: f64, history: &[f64]) -> PastRow {
    let state = if history.len() < fence::NEED {
        PastState::Shown
    } else if value > failed_bound(history) {
        PastState::Regression
    } else {
        PastState::Within
    };
    let unit = Measure::FailedRequests.unit();
    let bound = Quantity::new(failed_bound(history), unit);
    PastRow {
        metric: Measure::FailedRequests,
        unit,
        value,
        reference: (!history.is_empty()).then(|| worst_failed(history)),
        change: None,
        fence: None,
        state,
        note: if history.is_empty() {
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
        let reference = Reference::of(past, &Lineage::default(), &now.key);
        reference.compare(&now.measured())
    }

    fn state(record: &PastRecord, metric: &str) -> PastState {
        let metric = metric.parse().unwrap();
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
    fn after_an_accepted_change_the_past_begins_anew() {
        let mut past = testing::past(40);
        past.accepted.push(testing::accepted("validated now"));
        let record = judged(&past, &testing::line(41));
        assert_eq!(record.have, 30);
        assert!(
            record
                .note
                .contains("accepted: validated now (10 runs before it)"),
            "{}",
            record.note
        );
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
