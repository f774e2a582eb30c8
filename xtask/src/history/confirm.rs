//! What becomes of a suspect: the sentence that fails the test, or a notice that it was not seen again.

use k6_summary::{Quantity, Unit};

use crate::record::{Kind, PastRecord, PastRow, PastState, above, percent, share};

/// The second measurement of a test with suspects.
#[derive(Debug)]
pub enum SecondMeasurement<'a> {
    /// It was made, and this is how its numbers compare with the past of such measurements.
    Judged(&'a PastRecord),
    /// It was made, and the test failed in it; why.
    Failed(&'a str),
    /// It could not be made; why.
    Impossible(&'a str),
    /// It was not wanted.
    SwitchedOff,
    /// It is not needed: a search repeats and confirms what it finds.
    Searched,
}

/// What is said of a test's suspects.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// The sentences for which the test fails.
    pub reasons: Vec<String>,
    /// Notices for the run.
    pub notices: Vec<String>,
}

/// Whether a metric is suspect.
pub fn has_suspects(past: &PastRecord) -> bool {
    past.metrics
        .iter()
        .any(|row| row.state == PastState::Regression)
}

/// Leaves suspect durations and CPU times without a verdict, since they say nothing of the server for the reason `why`.
pub fn withhold_times(past: &mut PastRecord, why: &str) {
    let times = [Kind::Median, Kind::P95, Kind::Cpu, Kind::Capacity];
    withhold(past, &times, why);
}

/// The same of a server that was sampled, and of its memory if the samples were in it.
pub fn withhold_sampled(past: &mut PastRecord, takes_memory: bool) {
    const WHY: &str = "the server was sampled";
    withhold_times(past, WHY);
    if takes_memory {
        withhold(past, &[Kind::Memory], WHY);
    }
}

fn withhold(past: &mut PastRecord, kinds: &[Kind], why: &str) {
    for row in &mut past.metrics {
        let is_one = kinds.contains(&row.metric.kind());
        if is_one && row.state == PastState::Regression {
            row.state = PastState::Shown;
            row.note = format!("beyond its fence, but not judged: {why}");
        }
    }
}

/// Takes every verdict back, since a test that failed by itself says nothing about the past.
pub fn withdraw_verdicts(past: &mut PastRecord) {
    use PastState::{Better, Regression, Within};
    leave_without_verdict(
        past,
        &[Regression, Better, Within],
        "not judged, since the test failed",
    );
}

/// Leaves the suspects without a verdict, since the run was interrupted before they were measured once more.
pub fn leave_open(past: &mut PastRecord) {
    leave_without_verdict(
        past,
        &[PastState::Regression],
        "beyond its fence, and interrupted before it was measured once more",
    );
}

/// Leaves what is worse without a verdict, as asked.
pub fn only_show(past: &mut PastRecord) {
    let note = "beyond its fence, and not judged, as asked";
    leave_without_verdict(past, &[PastState::Regression], note);
}

fn leave_without_verdict(past: &mut PastRecord, states: &[PastState], note: &str) {
    for row in &mut past.metrics {
        if states.contains(&row.state) {
            row.state = PastState::Shown;
            row.note = note.into();
        }
    }
}

/// Settles each suspect by the second measurement, and says so in its row.
pub fn confirm(past: &mut PastRecord, again: &SecondMeasurement<'_>) -> Confirmation {
    let mut confirmation = Confirmation::default();
    let have = past.have;
    for row in &mut past.metrics {
        if row.state != PastState::Regression {
            continue;
        }
        let (confirmed, said) = match again {
            SecondMeasurement::Judged(second) => second_value(row, second),
            SecondMeasurement::Failed(why) => {
                (true, format!("measured once more, the test failed: {why}"))
            }
            SecondMeasurement::Impossible(why) => {
                (true, format!("it could not be measured once more: {why}"))
            }
            SecondMeasurement::SwitchedOff => (true, "not measured once more, as asked".to_owned()),
            SecondMeasurement::Searched => (true, "confirmed by the search itself".to_owned()),
        };
        let sentence = suspicion(row, have);
        if confirmed {
            confirmation.reasons.push(sentence);
        } else {
            row.state = PastState::NotConfirmed;
            confirmation
                .notices
                .push(format!("not confirmed: {sentence}; {said}"));
        }
        row.note = said;
    }
    confirmation
}

fn second_value(row: &PastRow, second: &PastRecord) -> (bool, String) {
    let Some(again) = second
        .metrics
        .iter()
        .find(|again| again.metric == row.metric)
    else {
        return (true, "measured once more, it had no value".into());
    };
    let value = Quantity::new(again.value, again.unit);
    let change = again.change.map(|change| format!(" ({})", percent(change)));
    let said = format!("measured once more: {value}{}", change.unwrap_or_default());
    match again.state {
        PastState::Within | PastState::Better => (false, said),
        PastState::Regression | PastState::NotConfirmed => (true, said),
        // On a server of its own it may be like no run that is known.
        PastState::Shown | PastState::NotComparable => (
            true,
            format!(
                "{said}, which cannot be judged with {} of {} runs that it is comparable with: the suspicion stands",
                second.have, second.need
            ),
        ),
    }
}

/// The sentence that names metric, value and bound.
fn suspicion(row: &PastRow, have: usize) -> String {
    let quantity = |number| Quantity::new(number, row.unit);
    let value = quantity(row.value);
    match (row.reference, row.change, row.fence) {
        (Some(reference), Some(change), Some(fence)) => {
            let usual = format!("the usual {}", quantity(reference));
            let (bound, words) = match row.metric.kind().more_is_better() {
                true => (1.0 - fence, format!("{} below {usual}", share(-change))),
                false => (1.0 + fence, above(change, &usual)),
            };
            format!(
                "{} is {}, {words} ({} is noise)",
                row.metric.spoken(),
                value.distinct_from(reference * bound),
                share(fence),
            )
        }
        _ => {
            let worst = Quantity::new(row.reference.unwrap_or_default(), Unit::Ratio);
            format!("{value} of requests failed, and {worst} in the worst of {have} past runs")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fence::Reference;
    use super::super::key::Key;
    use super::super::lines::Line;
    use super::super::testing;
    use super::*;
    use crate::record::Measure;

    fn judged(line: &Line) -> PastRecord {
        let past = testing::past(31);
        let reference = Reference::of(&past, &line.key);
        reference.compare(&line.measured())
    }

    fn state(record: &PastRecord) -> PastState {
        record.metrics[0].state
    }

    #[test]
    fn seen_twice_is_a_regression_with_metric_bound_and_value() {
        let mut first = judged(&testing::scaled(31, 1.5));
        assert!(has_suspects(&first));
        let second = judged(&testing::scaled(32, 1.4));
        let confirmation = confirm(&mut first, &SecondMeasurement::Judged(&second));
        assert_eq!(state(&first), PastState::Regression);
        assert_eq!(
            confirmation.reasons[0],
            "median of requests is 6.12 ms, 51.5 % above the usual 4.04 ms (5 % is noise)"
        );
        let note = &first.metrics[0].note;
        assert_eq!(note, "measured once more: 5.6 ms (+38.6 %)");
        assert!(confirmation.notices.is_empty());
    }

    #[test]
    fn not_seen_again_is_a_notice() {
        let mut first = judged(&testing::scaled(31, 1.5));
        let second = judged(&testing::line(32));
        let confirmation = confirm(&mut first, &SecondMeasurement::Judged(&second));
        assert_eq!(
            (state(&first), confirmation.reasons.len()),
            (PastState::NotConfirmed, 0)
        );
        assert!(
            confirmation.notices[0].contains("measured once more: 4 ms"),
            "{confirmation:?}"
        );
    }

    /// The missions test after the health test, in nights that need 20 % more memory there than on a server of their own.
    fn nights_after_health(alone: usize) -> super::super::Past {
        let after = |night| {
            let mut line = testing::line(night);
            line.key.after = vec!["health".into()];
            line.server_usage.as_mut().unwrap().peak_rss_bytes = 24_000_000;
            line
        };
        let nights = (0..31).map(after);
        testing::of(nights.chain((0..alone).map(testing::line)).collect())
    }

    /// Settles 15 % more memory, on a server that has served the health test and on one of its own.
    fn confirm_more_memory(past: &super::super::Past) -> (PastState, String) {
        let judged = |key: &Key, peak_rss_bytes| {
            let mut line = testing::line(31);
            line.server_usage.as_mut().unwrap().peak_rss_bytes = peak_rss_bytes;
            Reference::of(past, key).compare(&line.measured())
        };
        let key = Key {
            after: vec!["health".into()],
            ..testing::line(31).key
        };
        let mut first = judged(&key, 27_600_000);
        let second = judged(&key.clone().measured_again(), 23_000_000);
        confirm(&mut first, &SecondMeasurement::Judged(&second));
        let memory = |row: &&PastRow| row.metric == Measure::PeakMemory;
        let row = first.metrics.iter().find(memory).unwrap();
        (row.state, row.note.clone())
    }

    #[test]
    fn a_second_measurement_is_judged_by_runs_on_servers_of_their_own() {
        let (state, note) = confirm_more_memory(&nights_after_health(31));
        assert_eq!(state, PastState::Regression, "{note}");
        assert_eq!(note, "measured once more: 23 MB (+15.0 %)");
    }

    #[test]
    fn without_comparable_runs_for_the_second_measurement_the_suspicion_stands() {
        for alone in [0, 12] {
            let (state, note) = confirm_more_memory(&nights_after_health(alone));
            assert_eq!(state, PastState::Regression, "{note}");
            let said =
                format!("{alone} of 30 runs that it is comparable with: the suspicion stands");
            assert!(note.ends_with(&said), "{note}");
        }
    }

    #[test]
    fn each_metric_needs_its_own_confirmation() {
        let mut first = judged(&testing::scaled(31, 1.5));
        let mut second = judged(&testing::scaled(32, 1.5));
        for row in &mut second.metrics {
            if row.metric != Measure::CpuPerRequest {
                row.state = PastState::Within;
            }
        }
        let confirmation = confirm(&mut first, &SecondMeasurement::Judged(&second));
        assert_eq!(confirmation.reasons.len(), 1);
        assert!(confirmation.reasons[0].contains("server CPU per request"));
    }

    #[test]
    fn without_a_second_measurement_the_suspect_stands() {
        for (again, said) in [
            (SecondMeasurement::SwitchedOff, "as asked"),
            (
                SecondMeasurement::Impossible("no room"),
                "could not be measured once more: no room",
            ),
            (
                SecondMeasurement::Failed("the server ended"),
                "the test failed: the server ended",
            ),
        ] {
            let mut first = judged(&testing::scaled(31, 1.5));
            let confirmation = confirm(&mut first, &again);
            assert_eq!(state(&first), PastState::Regression);
            assert!(!confirmation.reasons.is_empty());
            assert!(first.metrics[0].note.contains(said), "{first:?}");
        }
    }

    #[test]
    fn failed_requests_have_a_sentence_of_their_own() {
        let mut line = testing::line(31);
        line.metrics.as_mut().unwrap().http_failed_ratio = Some(0.006);
        let confirmation = confirm(&mut judged(&line), &SecondMeasurement::SwitchedOff);
        assert_eq!(
            confirmation.reasons,
            ["0.6 % of requests failed, and 0 % in the worst of 31 past runs"]
        );
    }

    #[test]
    fn times_of_a_busy_machine_are_not_judged() {
        let mut line = testing::scaled(31, 1.5);
        line.server_usage.as_mut().unwrap().peak_rss_bytes *= 2;
        let mut first = judged(&line);
        withhold_times(&mut first, "it was too busy");
        let confirmation = confirm(&mut first, &SecondMeasurement::SwitchedOff);
        assert_eq!(confirmation.reasons.len(), 1, "{confirmation:?}");
        assert!(confirmation.reasons[0].contains("server peak memory"));
        assert!(first.metrics[0].note.contains("too busy"), "{first:?}");
        let mut sampled = judged(&line);
        withhold_sampled(&mut sampled, false);
        assert!(has_suspects(&sampled), "perf takes none: {sampled:?}");
        withhold_sampled(&mut sampled, true);
        assert!(!has_suspects(&sampled), "{sampled:?}");
    }

    #[test]
    fn a_test_that_failed_by_itself_is_not_judged() {
        let mut first = judged(&testing::scaled(31, 1.5));
        withdraw_verdicts(&mut first);
        assert!(!has_suspects(&first));
        assert!(first.metrics[0].note.contains("the test failed"));
    }
}
