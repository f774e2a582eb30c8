//! `history.jsonl`: one line for each test of each run, for comparison with the past.

use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::Context as _;
use k6_summary::Metrics;
use serde::Serialize;

use super::record::SCHEMA_VERSION;
use super::{Outcome, RunRecord, TestRecord, UsageRecord};
use crate::server;

/// The file's name in the results folder.
pub const FILE: &str = "history.jsonl";

/// One test of one run. Two lines are comparable only if their `key`s are equal.
#[derive(Debug, Serialize)]
struct Line<'a> {
    schema_version: u32,
    run: &'a str,
    at: &'a str,
    outcome: Outcome,
    run_outcome: Outcome,
    commit: Option<&'a str>,
    dirty: Option<bool>,
    key: Key<'a>,
    metrics: Option<&'a Metrics>,
    server_usage: Option<&'a UsageRecord>,
}

#[derive(Debug, Serialize)]
struct Key<'a> {
    test: &'a str,
    profile: &'a str,
    time_scale: f64,
    k6_args: &'a [String],
    target: Option<server::Kind>,
    k6: String,
    host: &'a str,
}

/// Appends a line for each test of `run` that was begun. Returns a notice if the file's last line had been cut in half.
///
/// # Errors
/// If the file cannot be locked or written; the message names it.
pub fn append(results: &Path, run: &RunRecord) -> anyhow::Result<Option<String>> {
    let mut text = String::new();
    for test in run
        .tests
        .iter()
        .filter(|test| test.outcome != Outcome::NotRun)
    {
        text.push_str(&serde_json::to_string(&line(run, test))?);
        text.push('\n');
    }
    let path = results.join(FILE);
    append_text(&path, &text).with_context(|| format!("failed to append to {}", path.display()))
}

fn append_text(path: &Path, text: &str) -> std::io::Result<Option<String>> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    // Appends of several runs at once would mix: they take turns.
    file.lock()?;
    let cut = !ends_with_newline(&mut file)?;
    let whole = if cut {
        format!("\n{text}")
    } else {
        text.to_owned()
    };
    let before = file.metadata()?.len();
    if let Err(error) = file
        .write_all(whole.as_bytes())
        .and_then(|()| file.sync_data())
    {
        // What the full disk took of a line is of no use.
        let _as_good_as_it_gets = file.set_len(before);
        return Err(error);
    }
    Ok(cut.then(|| {
        format!(
            "the last line of {} had been cut in half: it was left as it is",
            path.display()
        )
    }))
}

fn ends_with_newline(file: &mut std::fs::File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn line<'a>(run: &'a RunRecord, test: &'a TestRecord) -> Line<'a> {
    let mut parts = run.k6.version.splitn(3, '.');
    let k6 = [parts.next(), parts.next()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(".");
    Line {
        schema_version: SCHEMA_VERSION,
        run: &run.run,
        at: test.started_at.as_deref().unwrap_or(&run.started_at),
        outcome: test.outcome,
        run_outcome: run.outcome,
        commit: run
            .revision
            .as_ref()
            .map(|revision| revision.commit.as_str()),
        dirty: run.revision.as_ref().map(|revision| revision.dirty),
        key: Key {
            test: &test.name,
            profile: &run.profile,
            time_scale: run.time_scale,
            k6_args: &run.k6_args,
            target: run.server.as_ref().map(|server| server.kind),
            k6,
            host: &run.host.fingerprint,
        },
        metrics: test.metrics.as_ref(),
        server_usage: test.server_usage.as_ref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_in_half_stays_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        assert_eq!(append_text(&path, "{\"a\":1}\n").unwrap(), None);
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"half")
            .unwrap();
        assert!(
            append_text(&path, "{\"b\":2}\n")
                .unwrap()
                .unwrap()
                .contains("cut in half")
        );
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "{\"a\":1}\n{\"half\n{\"b\":2}\n"
        );
    }

    #[test]
    fn appends_at_once_do_not_mix() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("history.jsonl");
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for n in 0..25 {
                        let line = format!(
                            "{{\"writer\":{writer},\"n\":{n},\"pad\":\"{}\"}}\n",
                            "x".repeat(3000)
                        );
                        append_text(path, &line).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 200);
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
}
