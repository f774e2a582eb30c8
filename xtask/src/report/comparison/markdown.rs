//! `summary.md` of a comparison, as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use super::super::markdown::text;
use super::rows;
use crate::record::Outcome;
use crate::record::{Change, Comparison, TestComparison};

/// Writes the whole report.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let sign = match comparison.outcome {
        Outcome::Passed => "✅",
        Outcome::Failed | Outcome::CouldNotRun => "❌",
        Outcome::Interrupted | Outcome::NotRun => "➖",
    };
    let _ = writeln!(
        out,
        "# {sign} {}: {}\n",
        rows::outcome(comparison),
        text(&rows::sides(comparison))
    );
    for reason in &comparison.reasons {
        let _ = writeln!(out, "- **{}**", text(reason));
    }
    for notice in &comparison.notices {
        let _ = writeln!(out, "- Notice: {}", text(notice));
    }
    for test in &comparison.tests {
        out.push_str(&one_test(test));
    }
    for line in rows::calibration(comparison) {
        let _ = writeln!(out, "\n{}", text(&line));
    }
    let _ = writeln!(
        out,
        "\n---\n\n{} · begun {} · k6 {} · {}",
        text(&rows::method(comparison)),
        comparison.started_at,
        text(&comparison.k6),
        text(&comparison.host.fingerprint)
    );
    out
}

fn one_test(test: &TestComparison) -> String {
    let mut out = format!("\n## {}, {} pairs\n", text(&test.name), test.pairs);
    for failure in &test.worse_failures {
        let _ = writeln!(out, "\n- ❌ {}", text(failure));
    }
    for failure in &test.in_both {
        let _ = writeln!(out, "\n- ➖ {}", text(failure));
    }
    if test.metrics.is_empty() {
        return out;
    }
    let _ = writeln!(out, "\n| | {} | |", rows::HEADS.join(" | "));
    let _ = writeln!(out, "|---|{}---|", "---|".repeat(rows::HEADS.len()));
    for metric in &test.metrics {
        let mark = match metric.change {
            Change::Regression => "❌",
            Change::Improvement => "🟢",
            Change::Unchanged => "",
            Change::NotConfirmed | Change::NotJudged => "➖",
        };
        let cells = rows::cells(metric).map(|cell| text(&cell)).join(" | ");
        let _ = writeln!(
            out,
            "| {mark} | {cells} | {} |",
            text(&rows::verdict(metric))
        );
    }
    out
}
