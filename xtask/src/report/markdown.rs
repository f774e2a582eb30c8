//! `summary.md`: the report as GitHub-flavoured Markdown.

use std::fmt::Write as _;

use super::beside;
use super::rows::{self, Mark};
use crate::history::Trend;
use crate::record::{Outcome, RunRecord, TestRecord};

/// The most that is written, in bytes: what a comment on GitHub holds, with room for what others add.
const MAX_BYTES: usize = 60 * 1024;
/// The longest text in one place, in characters: a log's last words may be long.
const MAX_TEXT: usize = 1500;

/// Writes the whole report; `trends` are those of the tests, in their order.
pub fn markdown(run: &RunRecord, trends: &[Trend]) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "# {} {}: {}\n\n{}\n",
        sign(run.outcome),
        run.profile,
        rows::outcome(run.outcome),
        text(&rows::title(run))
    );
    for reason in &run.reasons {
        let _ = writeln!(out, "- **{}**", text(reason));
    }
    for notice in &run.notices {
        let _ = writeln!(out, "- Notice: {}", text(notice));
    }
    for notice in beside::notices(&run.tests, trends) {
        let _ = writeln!(
            out,
            "- Notice: {}. The thresholds are judged all the same.",
            text(&notice)
        );
    }
    out.push_str(&overview(run));
    for (index, test) in run.tests.iter().enumerate() {
        let trend = trends.get(index);
        let past = trend.map(|trend| beside::section(test.past.as_ref(), trend));
        let body = one_test(test) + &past.unwrap_or_default();
        let title = format!("{}: {}", test.name, rows::outcome(test.outcome));
        let _ = if test.outcome == Outcome::Passed {
            // Folded, so that what failed is not far down.
            writeln!(
                out,
                "\n<details><summary>{} {title}</summary>\n{body}\n</details>",
                sign(test.outcome)
            )
        } else {
            writeln!(out, "\n## {} {title}\n{body}", sign(test.outcome))
        };
    }
    out.push_str(&context(run));
    fit(out)
}

/// `out`, cut between two lines if it is longer than GitHub takes.
fn fit(mut out: String) -> String {
    if out.len() <= MAX_BYTES {
        return out;
    }
    let end = out.as_bytes()[..MAX_BYTES]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    out.truncate(end);
    if out.matches("```").count() % 2 == 1 {
        out.push_str("```\n");
    }
    if out.matches("<details>").count() > out.matches("</details>").count() {
        out.push_str("\n</details>\n");
    }
    out.push_str("\nCut here, for it is too long for GitHub: run.json has all of it.\n");
    out
}

/// One line a test: what a reader in a hurry wants to know.
fn overview(run: &RunRecord) -> String {
    let mut out = String::from("\n| | Test | p50 / p95 / p99 | Requests |\n|---|---|---|---|\n");
    for test in &run.tests {
        let measured = rows::measured(test);
        let find = |name: &str| {
            let found = measured.iter().find(|(what, _)| *what == name);
            found.map_or_else(|| "–".into(), |(_, value)| text(value))
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            sign(test.outcome),
            test.name,
            find("p50 / p95 / p99"),
            find("requests")
        );
    }
    out
}

fn one_test(test: &TestRecord) -> String {
    let mut out = String::new();
    let judged = rows::judged(test);
    if !judged.is_empty() {
        out.push_str("\n| | Value | Bound | Threshold or check |\n|---|---|---|---|\n");
    }
    for row in judged {
        let mark = match row.mark {
            Mark::Passed => "✅",
            Mark::Failed => "❌",
            Mark::NotEvaluated => "➖",
        };
        // Values come before names, which may be longer than a phone is wide; and remarks stand with the names.
        let (value, remark) = match row.mark {
            Mark::NotEvaluated => ("–".into(), format!("<br>{}", text(&row.value))),
            _ => (text(&row.value), String::new()),
        };
        let _ = writeln!(
            out,
            "| {mark} | {value} | {} | {}{remark} |",
            text(&row.bound),
            text(&row.what)
        );
    }
    let measured = rows::measured(test);
    if !measured.is_empty() {
        out.push_str("\n| Measured | |\n|---|---|\n");
    }
    for (what, value) in measured {
        let _ = writeln!(out, "| {what} | {} |", text(&value));
    }
    out
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
    let dashboard = run.dashboard.as_ref().map_or_else(String::new, |link| {
        format!(" · [Grafana](<{}>)", text(link))
    });
    format!(
        "\n---\n\nBegun {} · server {} · k6 {} ({}) · revision {} · {}{dashboard}\n",
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
    for (count, c) in raw.chars().enumerate() {
        if count == MAX_TEXT {
            out.push('…');
            break;
        }
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
