//! Reads `history.jsonl`, whatever is in it: what cannot be read is named by its line and left as it is.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use serde_json::Value;

use super::chain::{Ratio, RatioLine};
use super::key::Key;
use super::lines::{Accepted, AcceptedLine, HISTORY_VERSION, Line, lines};
use crate::record::{Measure, RunRecord, versioned};

/// How far ahead of this machine's clock a run may be dated before its clock counts as wrong.
const CLOCK_SLACK: Duration = Duration::from_secs(300);
/// How many of the newest runs of each key are kept: three years of nights, and more than is judged, searched or shown.
/// So what a history takes to read grows with its keys, and not with its years.
const KEPT: usize = 1_000;
/// How many problems of one kind are named one by one.
const NAMED: usize = 5;

/// The past, in order of time.
#[derive(Debug, Default)]
pub struct Past {
    /// The newest [`KEPT`] lines of each key that can be used, the oldest first.
    pub entries: Vec<Entry>,
    /// What was accepted, in the order of the file.
    pub accepted: Vec<Accepted>,
    /// What comparisons found, the newest [`KEPT`], in order of time.
    pub ratios: Vec<Ratio>,
    /// What was left out or is doubtful, in sentences.
    pub notices: Vec<String>,
}

/// A line and its time.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When the test began.
    pub at: SystemTime,
    /// The line, without what `numbers` has of it.
    pub line: Line,
    /// The numbers that are followed; none if nothing was measured.
    pub numbers: BTreeMap<Measure, f64>,
}

impl Entry {
    /// The entry of `line`.
    ///
    /// # Errors
    /// If its time cannot be read.
    pub fn new(line: Line) -> Result<Self, String> {
        let (at, numbers) = (time(&line.at)?, line.measured());
        Ok(Self::with(line, at, numbers))
    }

    fn with(mut line: Line, at: SystemTime, numbers: BTreeMap<Measure, f64>) -> Self {
        (line.metrics, line.server_usage) = (None, None);
        Self { at, line, numbers }
    }
}

/// What one line of the file turned out to be.
enum ParsedLine {
    Test(Box<Line>),
    Accepted(Accepted),
    Ratio(Ratio),
}

/// Reads the history at `path`; a file that is not there is an empty history.
///
/// # Errors
/// If the file is there and cannot be read; the message names it.
pub fn read(path: &Path, now: SystemTime) -> anyhow::Result<Past> {
    read_each(path, now, |_, _| {})
}

/// As [`read`]; `each` is given every line that can be read, whatever its date, and what makes it the measurement that it
/// is.
///
/// # Errors
/// If the file is there and cannot be read; the message names it.
pub fn read_each(
    path: &Path,
    now: SystemTime,
    each: impl FnMut(&Line, u64),
) -> anyhow::Result<Past> {
    let lines = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Past::default()),
        // Line by line: a history of years has more bytes than are needed at once.
        opened => opened.map(|file| BufReader::new(file).split(b'\n')),
    };
    lines
        .and_then(|lines| collect(lines, &path.display().to_string(), now, each))
        .with_context(|| format!("failed to read {}", path.display()))
}

/// Collects the lines of a history; `name` stands for it in notices.
fn collect(
    lines: impl Iterator<Item = std::io::Result<Vec<u8>>>,
    name: &str,
    now: SystemTime,
    mut each: impl FnMut(&Line, u64),
) -> std::io::Result<Past> {
    let mut past = Past::default();
    let (mut unreadable, mut future, mut backward) = (Vec::new(), Vec::new(), Vec::new());
    let (mut known, mut known_ratios) = (HashSet::new(), HashSet::new());
    let mut series: Vec<Vec<Entry>> = Vec::new();
    let mut newest: Option<SystemTime> = None;
    for (index, text) in lines.enumerate() {
        let (text, number) = (text?, index + 1);
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = match one(&text) {
            Ok(ParsedLine::Test(line)) => *line,
            Ok(ParsedLine::Accepted(accepted)) => {
                if !past.accepted.contains(&accepted) {
                    past.accepted.push(accepted);
                }
                continue;
            }
            Ok(ParsedLine::Ratio(ratio)) => {
                if known_ratios.insert(ratio.identity()) {
                    past.ratios.push(ratio);
                }
                continue;
            }
            Err(why) => {
                unreadable.push(format!("{name} line {number} {why}"));
                continue;
            }
        };
        let at = match time(&line.at) {
            Ok(at) => at,
            Err(why) => {
                unreadable.push(format!("{name} line {number} {why}"));
                continue;
            }
        };
        let numbers = line.measured();
        let identity = identity(&line, &numbers);
        if !known.insert(identity) {
            continue;
        }
        each(&line, identity);
        let entry = Entry::with(line, at, numbers);
        let line = &entry.line;
        let (run, dated) = (&line.run, &line.at);
        let what = format!("{name} line {number}: run {run} is dated {dated}");
        if at > now + CLOCK_SLACK {
            future.push(what);
            continue;
        }
        if !line.imported {
            if newest.is_some_and(|newest| at < newest) {
                backward.push(what);
            }
            newest = newest.max(Some(at));
        }
        let same = |kept: &&mut Vec<Entry>| kept[0].line.key == entry.line.key;
        match series.iter_mut().find(same) {
            Some(kept) => {
                kept.push(entry);
                if kept.len() == 2 * KEPT {
                    forget_old(kept);
                }
            }
            None => series.push(vec![entry]),
        }
    }
    series.iter_mut().for_each(forget_old);
    past.entries = series.into_iter().flatten().collect();
    past.entries.sort_by_key(|entry| entry.at);
    past.ratios.sort_by(|one, other| one.at.cmp(&other.at));
    past.ratios.drain(..past.ratios.len().saturating_sub(KEPT));
    for (problems, what) in [
        (unreadable, "left out, and left as it is"),
        (
            future,
            "in the future, so a clock is wrong: left out until then",
        ),
        (
            backward,
            "before a run above it, so a clock jumped: ordered by its date",
        ),
    ] {
        let named = problems.iter().take(NAMED);
        past.notices
            .extend(named.map(|one| format!("{one}: {what}")));
        if problems.len() > NAMED {
            let more = problems.len() - NAMED;
            past.notices.push(format!("… and {more} more: {what}"));
        }
    }
    Ok(past)
}

/// Leaves the newest [`KEPT`].
fn forget_old(entries: &mut Vec<Entry>) {
    entries.sort_by_key(|entry| entry.at);
    entries.drain(..entries.len().saturating_sub(KEPT));
}

impl Past {
    /// The past that the lines of these runs are, for readers who have the runs and not their history.
    pub fn of<'a>(runs: impl Iterator<Item = &'a RunRecord>) -> Self {
        let entries = runs.flat_map(lines).map(Entry::new);
        let mut entries: Vec<Entry> = entries.filter_map(Result::ok).collect();
        entries.sort_by_key(|entry| entry.at);
        Self {
            entries,
            ..Self::default()
        }
    }

    /// The keys of all runs, in the order in which they first came.
    pub fn keys(&self) -> Vec<&Key> {
        let mut keys: Vec<&Key> = Vec::new();
        for entry in &self.entries {
            if !keys.contains(&&entry.line.key) {
                keys.push(&entry.line.key);
            }
        }
        // Lines that do not say which machine it was, or which compiler, are compared with those that do, and stand among
        // them.
        let all = keys.clone();
        keys.retain(|key| !all.iter().any(|one| one.says_more_than(key)));
        keys
    }

    /// The runs that are comparable with `key`, the oldest first, whatever came of them.
    pub fn comparable_with(&self, key: &Key) -> impl DoubleEndedIterator<Item = &Entry> {
        let same = |entry: &&Entry| entry.line.key.is_comparable_with(key);
        self.entries.iter().filter(same)
    }

    /// Where in `entries`, which are in order of time, each accepted change of `test` is first seen; at their end if none
    /// of them has it yet.
    pub fn places<'a>(
        &'a self,
        entries: &[&Entry],
        test: &str,
    ) -> impl Iterator<Item = (usize, &'a Accepted)> {
        let of_test = self.accepted.iter().filter(move |it| it.is_of(test));
        of_test.filter_map(move |accepted| {
            let since = time(accepted.since()).ok()?;
            Some((entries.partition_point(|entry| entry.at < since), accepted))
        })
    }
}

/// What makes two lines the same measurement, wherever they were read: what was measured, by whom and when. Runs may begin
/// in the same second, on machines that are alike. Digits that are lost when a number is written and read do not count.
pub fn identity(line: &Line, numbers: &BTreeMap<Measure, f64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let key = &line.key;
    (&line.run, &line.at, &key.test, &key.host, &key.machine).hash(&mut hasher);
    let load = line.metrics.iter().flat_map(|metrics| {
        let bytes = metrics.data_received_bytes as f64;
        [metrics.duration_ms, bytes, metrics.http_requests as f64]
    });
    for value in load.chain(numbers.values().copied()) {
        format!("{value:.8e}").hash(&mut hasher);
    }
    hasher.finish()
}

fn one(text: &[u8]) -> Result<ParsedLine, String> {
    let corrupted = |error: serde_json::Error| format!("is corrupted ({error})");
    let value: Value = versioned(text, HISTORY_VERSION)?;
    if value.get("accepted").is_some() {
        let line: AcceptedLine = serde_json::from_value(value).map_err(corrupted)?;
        time(line.accepted.since())?;
        return Ok(ParsedLine::Accepted(line.accepted));
    }
    if value.get("ratio").is_some() {
        let line: RatioLine = serde_json::from_value(value).map_err(corrupted)?;
        time(&line.ratio.at)?;
        return Ok(ParsedLine::Ratio(line.ratio));
    }
    let line: Line = serde_json::from_value(value).map_err(corrupted)?;
    Ok(ParsedLine::Test(Box::new(line)))
}

/// A date and time in UTC as the history writes it.
pub fn time(text: &str) -> Result<SystemTime, String> {
    humantime::parse_rfc3339_weak(text)
        .map_err(|error| format!("is corrupted (the time {text:?}: {error})"))
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn parse(text: &str, name: &str, now: SystemTime) -> Past {
        collect(
            text.lines().map(|line| Ok(line.into())),
            name,
            now,
            |_, _| {},
        )
        .unwrap()
    }

    fn now() -> SystemTime {
        time("2026-06-01T00:00:00Z").unwrap()
    }

    fn line(run: &str, at: &str) -> String {
        serde_json::to_string(&Line {
            run: run.into(),
            at: at.into(),
            ..testing::line(0)
        })
        .unwrap()
    }

    #[test]
    fn what_cannot_be_read_is_named_and_the_rest_is_used() {
        let good = line("a", "2026-05-01T00:00:00Z");
        let newer = good.replace("\"schema_version\":1", "\"schema_version\":2");
        let no_time = line("c", "yesterday");
        let text = format!("{good}\n{{\"half\n\n{newer}\n{no_time}\n[1]\nnull\n");
        let past = parse(&text, "history.jsonl", now());
        assert_eq!(past.entries.len(), 1);
        let all = past.notices.join("\n");
        for said in [
            "history.jsonl line 2 is corrupted",
            "line 4 has format version 2, and this program reads 1: left out, and left as it is",
            "line 5 is corrupted (the time \"yesterday\"",
            "line 6 is corrupted (it has no schema_version)",
            "line 7 is corrupted",
        ] {
            assert!(all.contains(said), "{said:?} is missing in {all}");
        }
    }

    #[test]
    fn many_problems_are_counted() {
        let past = parse(&"{\n".repeat(9), "h", now());
        assert_eq!(past.notices.len(), NAMED + 1);
        assert!(past.notices[NAMED].contains("4 more"), "{:?}", past.notices);
    }

    #[test]
    fn clocks_that_jump_are_named_and_order_is_by_time() {
        let text = [
            line("a", "2026-05-02T00:00:00Z"),
            line("b", "2026-05-01T00:00:00Z"),
            line("c", "2031-01-01T00:00:00Z"),
            line("d", "2026-05-03T00:00:00Z"),
        ]
        .join("\n");
        let past = parse(&text, "h", now());
        let order: Vec<&str> = past.entries.iter().map(|e| e.line.run.as_str()).collect();
        assert_eq!(order, ["b", "a", "d"]);
        assert_eq!(past.notices.len(), 2, "{:?}", past.notices);
        assert!(
            past.notices[0].contains("line 3: run c") && past.notices[0].contains("in the future")
        );
        assert!(
            past.notices[1].contains("line 2: run b") && past.notices[1].contains("clock jumped")
        );
    }

    #[test]
    fn a_line_that_stands_twice_counts_once() {
        let text = [
            line("a", "2026-05-01T00:00:00Z"),
            line("a", "2026-05-01T00:00:00Z"),
        ]
        .join("\n");
        assert_eq!(parse(&text, "h", now()).entries.len(), 1);
    }

    #[test]
    fn only_the_newest_runs_of_each_key_are_kept() {
        let run = |nth: usize| {
            let at = now() - Duration::from_secs(60 * (5_000 - nth as u64));
            line(
                &format!("r{nth}"),
                &humantime::format_rfc3339_seconds(at).to_string(),
            )
        };
        let other = run(4_999).replace("\"missions\"", "\"specs\"");
        // The oldest comes last, as when it was imported.
        let nths = (1..3_500).chain([0]);
        let text: Vec<String> = nths.map(run).chain([other]).collect();
        let past = parse(&text.join("\n"), "h", now());
        let runs: Vec<&str> = past
            .entries
            .iter()
            .map(|entry| entry.line.run.as_str())
            .collect();
        assert_eq!(runs.len(), KEPT + 1);
        assert_eq!((runs[0], runs[KEPT - 1]), ("r2500", "r3499"));
    }

    #[test]
    fn machines_that_are_alike_are_told_apart_once_lines_say_which_it_was() {
        let of = |machine: Option<&str>| {
            let mut line = testing::line(0);
            line.key.machine = machine.map(str::to_owned);
            line
        };
        let past = testing::of(vec![of(None), of(Some("a")), of(Some("b")), of(Some("a"))]);
        let keys = past.keys();
        assert_eq!(keys.len(), 2, "{keys:?}");
        let count = |key| past.comparable_with(key).count();
        assert_eq!(keys.into_iter().map(count).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(testing::of(vec![of(None)]).keys().len(), 1);
    }

    #[test]
    fn lines_of_the_first_days_are_read() {
        let mut value = serde_json::to_value(testing::line(0)).unwrap();
        for later in ["faults", "k6_version", "server_version"] {
            value.as_object_mut().unwrap().remove(later);
        }
        let past = parse(
            &value.to_string(),
            "h",
            now() + Duration::from_secs(1_000_000_000),
        );
        assert_eq!(past.entries[0].line.faults, None, "{:?}", past.notices);
    }

    #[test]
    fn no_file_is_an_empty_history_and_a_folder_in_its_place_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let none = read(&dir.path().join("history.jsonl"), now()).unwrap();
        assert!(none.entries.is_empty() && none.notices.is_empty());
        let error = format!("{:#}", read(dir.path(), now()).unwrap_err());
        assert!(error.contains("failed to read"), "{error}");
    }
}
