//! A test beside its past, as Markdown: a table of metrics and a small chart.

use std::fmt::Write as _;

use k6_summary::Quantity;

use super::markdown::text;
use super::past::heading;
use crate::history::Trend;
use crate::record::{PastRecord, PastRow, PastState, TestRecord, percent};

/// The fewest points of a chart, and the most: more are not to be told apart on a phone.
const MIN_POINTS: usize = 3;
const MAX_POINTS: usize = 30;
/// How the chart looks: the default colours are too pale to be seen on a phone.
const LOOK: &str = r##"%%{init: {"xyChart": {"width": 600, "height": 300}, "themeVariables": {"xyChart": {"plotColorPalette": "#0969da"}}}}%%"##;

/// A metric beside its past, in one sentence without its test.
pub fn sentence(row: &PastRow) -> String {
    let mut out = format!("{}: {}", row.metric, Quantity::new(row.value, row.unit));
    if let (Some(reference), Some(change)) = (row.reference, row.change) {
        let before = Quantity::new(reference, row.unit);
        let _ = write!(out, ", {} from {before}", percent(change));
    }
    if let Some(fence) = row.fence {
        let _ = write!(out, ", fence {}", percent(fence));
    }
    out
}

/// The section of a test's past; empty if nothing is known of it.
pub fn section(past: Option<&PastRecord>, trend: &Trend) -> String {
    let mut out = String::new();
    if let Some(past) = past {
        let _ = writeln!(out, "\nBeside the past: {}", text(&heading(past)));
        out.push_str(&table(past));
    }
    out.push_str(&chart(trend));
    out
}

/// What is to be said of the history, each sentence once with the tests that it is about.
pub fn notices(tests: &[TestRecord], trends: &[Trend]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for (test, trend) in tests.iter().zip(trends) {
        let short = test.past.as_ref().filter(|past| past.have < past.need);
        let past = short.map(|past| past.note.as_str());
        for note in past.into_iter().chain([trend.note.as_str()]) {
            if note.is_empty() {
                continue;
            }
            match said.iter_mut().find(|(known, _)| *known == note) {
                Some((_, names)) => names.push(&test.name),
                None => said.push((note, vec![&test.name])),
            }
        }
    }
    said.into_iter()
        .map(|(note, names)| format!("{}: {note}", names.join(", ")))
        .collect()
}

fn table(past: &PastRecord) -> String {
    let known = |row: &&PastRow| row.reference.is_some() || row.state == PastState::NotComparable;
    let rows: Vec<&PastRow> = past.metrics.iter().filter(known).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "\n| | Now | Before | Change | Fence | Beside the past |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let quantity = |value: Option<f64>| {
            value.map_or_else(
                || "–".into(),
                |value| Quantity::new(value, row.unit).to_string(),
            )
        };
        let share = |value: Option<f64>| value.map_or_else(|| "–".into(), percent);
        let note = if row.note.is_empty() {
            String::new()
        } else {
            format!("<br>{}", text(&row.note))
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {}{note} |",
            sign(row.state),
            quantity(Some(row.value)),
            quantity(row.reference),
            share(row.change),
            share(row.fence),
            text(&row.metric.to_string())
        );
    }
    out
}

/// A line of the p95 over the runs; none if it would hardly be one.
fn chart(trend: &Trend) -> String {
    let points = &trend.values[trend.values.len().saturating_sub(MAX_POINTS)..];
    let sound = points.iter().all(|value| value.is_finite());
    if points.len() < MIN_POINTS || !sound {
        return String::new();
    }
    let top = points.iter().copied().fold(0.0, f64::max) * 1.2;
    let values: Vec<String> = points.iter().map(|value| format!("{value:.3}")).collect();
    format!(
        "\n```mermaid\n{LOOK}\nxychart-beta\n  title \"p95 of requests, this run last\"\n  x-axis \"run\" 1 --> {}\n  \
         y-axis \"ms\" 0 --> {top:.3}\n  line [{}]\n```\n",
        points.len(),
        values.join(", ")
    )
}

fn sign(state: PastState) -> &'static str {
    match state {
        PastState::Within => "✅",
        PastState::Better => "🎉",
        PastState::Regression => "❌",
        PastState::NotConfirmed => "⚠️",
        PastState::Shown | PastState::NotComparable => "➖",
    }
}

#[cfg(test)]
mod tests {
    use k6_summary::Unit;

    use crate::record::Measure;

    use super::*;

    fn row(state: PastState) -> PastRow {
        PastRow {
            metric: Measure::p95_of_requests(),
            unit: Unit::Milliseconds,
            value: 12.0,
            reference: Some(10.0),
            change: Some(0.2),
            fence: Some(0.15),
            state,
            note: "a|b".into(),
        }
    }

    #[test]
    fn a_regression_reads_in_one_sentence() {
        assert_eq!(
            sentence(&row(PastState::Regression)),
            "http_req_duration p(95): 12 ms, +20.0 % from 10 ms, fence +15.0 %"
        );
    }

    #[test]
    fn table_notices_and_chart() {
        let past = PastRecord {
            have: 12,
            need: 30,
            note: "history too short: 12 of 30".into(),
            metrics: vec![row(PastState::Shown)],
        };
        let trend = Trend {
            values: vec![1.0, 2.0, 1.5],
            note: String::new(),
        };
        let section = section(Some(&past), &trend);
        assert!(
            section.contains(
                "| ➖ | 12 ms | 10 ms | +20.0 % | +15.0 % | http\\_req\\_duration p(95)<br>a\\|b |"
            ),
            "{section}"
        );
        assert!(
            section.contains("x-axis \"run\" 1 --> 3")
                && section.contains("line [1.000, 2.000, 1.500]"),
            "{section}"
        );
    }

    #[test]
    fn one_sentence_for_all_tests() {
        let test = |name| TestRecord::planned(name, 1, Vec::new());
        let trend = |note: &str| Trend {
            note: note.into(),
            ..Trend::default()
        };
        let tests = [test("health"), test("specs"), test("missions")];
        let trends = [trend("no run before"), trend(""), trend("no run before")];
        assert_eq!(
            notices(&tests, &trends),
            ["health, missions: no run before"]
        );
    }

    #[test]
    fn no_chart_without_a_past() {
        let one = Trend {
            values: vec![1.0, 2.0],
            note: String::new(),
        };
        assert_eq!(section(None, &one), "");
    }
}
