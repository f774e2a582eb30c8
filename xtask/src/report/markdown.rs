//! `summary.md`: the report as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use super::past;
use super::rows::{self, Mark, Row};
use crate::results::{Outcome, RunRecord, TestRecord};

/// Writes the whole report.
pub fn markdown(run: &RunRecord) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# {} {}: {}\n",
        sign(run.outcome),
        rows::outcome(run.outcome),
        text(&rows::title(run))
    );
    for reason in &run.reasons {
        let _ = writeln!(out, "- **{}**", text(reason));
    }
    for notice in &run.notices {
        let _ = writeln!(out, "- Notice: {}", text(notice));
    }
    for test in &run.tests {
        out.push_str(&one_test(test));
    }
    out.push_str(&context(run));
    out
}

fn one_test(test: &TestRecord) -> String {
    let mut out = format!(
        "\n## {} {}: {}\n",
        sign(test.outcome),
        test.name,
        rows::outcome(test.outcome)
    );
    let judged = rows::judged(test);
    if !judged.is_empty() {
        out.push_str("\n| | Threshold or check | Bound | Value |\n|---|---|---|---|\n");
    }
    for row in judged {
        out.push_str(&table_row(&row));
    }
    let measured = rows::measured(test);
    if !measured.is_empty() {
        out.push_str("\n| Measured | |\n|---|---|\n");
    }
    for (what, value) in measured {
        let _ = writeln!(out, "| {what} | {} |", text(&value));
    }
    if let Some(beside) = &test.past {
        let _ = writeln!(out, "\nBeside the past: {}", text(&past::heading(beside)));
        let rows = past::rows(beside);
        if !rows.is_empty() {
            out.push_str("\n| | Metric | Reference and fence | Value |\n|---|---|---|---|\n");
        }
        for row in rows {
            out.push_str(&table_row(&row));
        }
    }
    out
}

fn table_row(row: &Row) -> String {
    let mark = match row.mark {
        Mark::Passed => "✅",
        Mark::Failed => "❌",
        Mark::NotEvaluated => "➖",
    };
    format!(
        "| {mark} | {} | {} | {} |\n",
        text(&row.what),
        text(&row.bound),
        text(&row.value)
    )
}

fn context(run: &RunRecord) -> String {
    let revision = run.revision.as_ref().map_or_else(
        || "unknown".into(),
        |revision| {
            format!(
                "{}{}",
                revision.commit,
                if revision.dirty {
                    " with uncommitted changes"
                } else {
                    ""
                }
            )
        },
    );
    let server = run
        .server
        .as_ref()
        .map_or_else(|| "none".into(), |server| server.version.clone());
    format!(
        "\n---\n\nBegun {} · server {} · k6 {} ({}) · revision {} · {}\n",
        run.started_at,
        text(&server),
        run.k6.version,
        text(&run.k6.origin),
        revision,
        text(&run.host.fingerprint)
    )
}

fn sign(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "✅",
        Outcome::Failed | Outcome::CouldNotRun => "❌",
        Outcome::Interrupted | Outcome::NotRun => "➖",
    }
}

/// Text as text: nothing in it is taken for Markdown or HTML, and it stays in its table cell.
pub(super) fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '\n' | '\r' => out.push_str("<br>"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' | '$' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn hostile_text_stays_text() {
        assert_eq!(text("a|b\n<script>"), "a\\|b<br>&lt;script&gt;");
        assert_eq!(text("[x](y) *z*"), "\\[x\\](y) \\*z\\*");
    }
}
