//! `history.jsonl`: one line for each test of each run, for comparison with the past. Lines are only ever appended.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use k6_summary::Metrics;
use serde::{Deserialize, Serialize};

use super::chain::{Ratio, RatioLine};
use super::key::Key;
use crate::record::{
    CapacityRecord, Followed, Measure, Outcome, RunRecord, TestRecord, UsageRecord, followed,
    measured,
};

/// The file's name in the results folder.
pub const FILE: &str = "history.jsonl";

/// The version of a line: raised when a field changes its meaning or goes.
pub const HISTORY_VERSION: u32 = 1;

/// One test of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The version of the line's format.
    pub schema_version: u32,
    /// The run's name.
    pub run: String,
    /// When the test began, in UTC.
    pub at: String,
    /// What came of the test.
    pub outcome: Outcome,
    /// What came of the run.
    pub run_outcome: Outcome,
    /// The commit of the working tree, outside of a repository none.
    pub commit: Option<String>,
    /// Whether there were uncommitted changes.
    pub dirty: Option<bool>,
    /// Whether the server injected faults; unknown in the oldest lines.
    #[serde(default)]
    pub faults: Option<bool>,
    /// k6's whole version.
    #[serde(default)]
    pub k6_version: Option<String>,
    /// The server's version, as it says.
    #[serde(default)]
    pub server_version: Option<String>,
    /// Whether the line was taken over from elsewhere, so that the order of the lines says nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
    /// Whether the machine was so busy that times say nothing about the server.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub slowed: bool,
    /// Whether the server was sampled, which costs it CPU time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub profiled: bool,
    /// What lines must share to be comparable.
    pub key: Key,
    /// What was measured.
    pub metrics: Option<Metrics>,
    /// What the server spent on the test.
    pub server_usage: Option<UsageRecord>,
    /// The load that the server withstands, if that was searched for and found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Followed>,
}

impl Line {
    /// The numbers that are followed; none if nothing was measured.
    pub fn measured(&self) -> BTreeMap<Measure, f64> {
        match &self.metrics {
            Some(metrics) => measured(metrics, self.server_usage.as_ref()),
            None => followed(self.capacity),
        }
    }
}

/// An intended change of performance: from the first run with it on, runs are at a new level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The revision that brought the change.
    pub commit: String,
    /// When that was committed, in UTC.
    pub committed_at: String,
    /// When the first run with it began, in UTC, so that every reader finds the same place, whatever their git knows. In
    /// the oldest lines it is missing: there the change counts from when it was committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The tests that it changed; empty for all.
    pub tests: Vec<String>,
    /// Why it is intended.
    pub why: String,
    /// When it was accepted, in UTC.
    pub accepted_at: String,
}

/// The line that holds an [`Accepted`].
#[derive(Debug, Serialize, Deserialize)]
pub struct AcceptedLine {
    /// The version of the line's format.
    pub schema_version: u32,
    /// What was accepted.
    pub accepted: Accepted,
}

impl Accepted {
    /// From when on runs have it, in UTC.
    pub fn since(&self) -> &str {
        self.since.as_deref().unwrap_or(&self.committed_at)
    }

    /// Whether it changed `test`.
    pub fn is_of(&self, test: &str) -> bool {
        self.tests.is_empty() || self.tests.iter().any(|name| name == test)
    }
}

impl AcceptedLine {
    /// The line for `accepted`.
    pub fn new(accepted: Accepted) -> Self {
        Self {
            schema_version: HISTORY_VERSION,
            accepted,
        }
    }
}

/// Where the history of a results folder is.
pub fn path(results: &Path) -> PathBuf {
    results.join(FILE)
}

/// Appends a line for each test of `run` that was begun. Returns a notice if the file's last line had been cut in half.
///
/// # Errors
/// If the file cannot be locked or written; the message names it.
pub fn append(results: &Path, run: &RunRecord) -> anyhow::Result<Option<String>> {
    append_lines(results, &lines(run))
}

/// Appends what a comparison found. Returns a notice if the file's last line had been cut in half.
///
/// # Errors
/// If the file cannot be locked or written; the message names it.
pub fn append_ratio(results: &Path, ratio: Ratio) -> anyhow::Result<Option<String>> {
    append_lines(results, &[RatioLine::new(ratio)])
}

/// Appends `lines`, all of them or none. Returns a notice if the file's last line had been cut in half.
///
/// # Errors
/// If the file cannot be locked or written; the message names it.
pub fn append_lines(results: &Path, lines: &[impl Serialize]) -> anyhow::Result<Option<String>> {
    let mut text = String::new();
    for line in lines {
        text.push_str(&serde_json::to_string(line).context("failed to write a line of history")?);
        text.push('\n');
    }
    std::fs::create_dir_all(results)
        .with_context(|| format!("failed to create {}", results.display()))?;
    let path = path(results);
    append_text(&path, &text).with_context(|| format!("failed to append to {}", path.display()))
}

/// The lines of a run: one for each test that was begun.
pub fn lines(run: &RunRecord) -> Vec<Line> {
    let begun = |test: &&TestRecord| test.outcome != Outcome::NotRun;
    run.tests
        .iter()
        .filter(begun)
        .map(|test| line(run, test))
        .collect()
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
            "the last line of {} was cut in half: it is left as it is",
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

fn line(run: &RunRecord, test: &TestRecord) -> Line {
    let revision = run.revision.as_ref();
    Line {
        schema_version: HISTORY_VERSION,
        run: run.run.clone(),
        at: test.started_at.as_ref().unwrap_or(&run.started_at).clone(),
        outcome: test.outcome,
        run_outcome: run.outcome,
        commit: revision.map(|revision| revision.commit.clone()),
        dirty: revision.map(|revision| revision.dirty),
        faults: run.server.as_ref().map(|server| server.faults),
        k6_version: Some(run.k6.version.clone()),
        server_version: run.server.as_ref().map(|server| server.version.clone()),
        imported: false,
        slowed: test.slowed,
        profiled: test.profile.is_some(),
        key: Key::of(run, &test.name),
        // Those of a search's steps are of one load or another.
        metrics: test.metrics.clone().filter(|_| test.capacity.is_none()),
        server_usage: test.server_usage,
        capacity: test.capacity.as_ref().and_then(CapacityRecord::followed),
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
