//! The rows of a test that put its numbers beside those of comparable past runs.

use k6_summary::Quantity;

use super::rows::{Mark, Row};
use crate::record::{PastRecord, PastRow, PastState, percent};

/// What is said of all metrics together, such as `31 comparable runs` or `history too short: 12 of 30`.
pub fn heading(past: &PastRecord) -> String {
    if past.have >= past.need && past.note.is_empty() {
        return format!("{} comparable runs", past.have);
    }
    if past.have >= past.need {
        return format!("{} comparable runs; {}", past.have, past.note);
    }
    past.note.clone()
}

/// A row for each metric that has a past.
pub fn rows(past: &PastRecord) -> Vec<Row> {
    let known = |row: &&PastRow| row.reference.is_some() || row.state == PastState::NotComparable;
    past.metrics.iter().filter(known).map(row).collect()
}

fn row(row: &PastRow) -> Row {
    let quantity = |number| Quantity::new(number, row.unit).to_string();
    let state = match row.state {
        PastState::Within => "",
        PastState::Better => "better than its past",
        PastState::Regression => "regression",
        PastState::NotConfirmed => "not confirmed",
        PastState::Shown => "shown only",
        PastState::NotComparable => "not comparable",
    };
    let change = row.change.map(percent);
    let value = [
        Some(quantity(row.value)),
        change,
        Some(state.to_owned()),
        Some(row.note.clone()),
    ];
    let value: Vec<String> = value
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect();
    Row {
        mark: match row.state {
            PastState::Within | PastState::Better => Mark::Passed,
            PastState::Regression => Mark::Failed,
            PastState::NotConfirmed | PastState::Shown | PastState::NotComparable => {
                Mark::NotEvaluated
            }
        },
        what: row.metric.to_string(),
        bound: match (row.reference, row.fence) {
            (Some(reference), Some(fence)) => {
                format!("{}, fence {}", quantity(reference), percent(fence))
            }
            (Some(reference), None) => quantity(reference),
            (None, _) => String::new(),
        },
        value: value.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use k6_summary::Unit;

    use crate::record::Measure;

    use super::*;

    fn past(state: PastState, note: &str) -> PastRecord {
        PastRecord {
            have: 31,
            need: 30,
            note: String::new(),
            metrics: vec![PastRow {
                metric: Measure::median("http_req_duration"),
                unit: Unit::Milliseconds,
                value: 6.0,
                reference: Some(4.0),
                change: Some(0.5),
                fence: Some(0.052),
                state,
                note: note.into(),
            }],
        }
    }

    #[test]
    fn a_row_reads_without_colour() {
        let row = &rows(&past(PastState::Regression, "measured once more: 5.6 ms"))[0];
        assert_eq!(row.mark, Mark::Failed);
        assert_eq!(row.bound, "4 ms, fence +5.2 %");
        assert_eq!(
            row.value,
            "6 ms, +50.0 %, regression, measured once more: 5.6 ms"
        );
        assert_eq!(rows(&past(PastState::Within, ""))[0].value, "6 ms, +50.0 %");
        assert_eq!(
            rows(&past(PastState::Shown, ""))[0].mark,
            Mark::NotEvaluated
        );
    }

    #[test]
    fn the_heading_says_how_much_past_there_is() {
        let mut past = past(PastState::Within, "");
        assert_eq!(heading(&past), "31 comparable runs");
        past.note = "left out: 2 failed".into();
        assert_eq!(heading(&past), "31 comparable runs; left out: 2 failed");
        past.have = 12;
        past.note = "history too short: 12 of 30".into();
        assert_eq!(heading(&past), "history too short: 12 of 30");
    }
}
