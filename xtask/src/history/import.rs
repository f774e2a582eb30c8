//! `history import`: imports the runs in folders of results, each once, however often it is asked to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;

use super::chain::{Ratio, RatioLine};
use super::lines::{self, AcceptedLine, Line, path as history_path};
use super::read::{self, Past, identity};
use crate::error::UsageError;
use crate::record::{RunRecord, SCHEMA_VERSION, versioned};
use crate::ui;

/// How deep artifacts may be nested: workflow, artifact, results, run.
const MAX_DEPTH: usize = 8;

/// What to do about a folder that cannot be imported.
const HINT: &str = "give the folder of downloaded artifacts or of results";

/// What an import came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Tests of runs that were taken over.
    pub fresh: usize,
    /// Tests of runs that were there already.
    pub known: usize,
    /// Accepted changes that were taken over.
    pub accepted: usize,
    /// Files that had something.
    pub files: usize,
    /// What was left out and why, in sentences.
    pub notices: Vec<String>,
}

/// Imports from `dirs` into the history of `results`, and says what came of it.
///
/// # Errors
/// If a folder cannot be searched or has nothing that could be imported, or the history cannot be written.
pub fn run(results: &Path, dirs: &[PathBuf]) -> anyhow::Result<()> {
    let imported = import(results, dirs, SystemTime::now())?;
    for notice in &imported.notices {
        ui::notice(notice);
    }
    ui::print(&format!(
        "imported tests: {}; accepted changes: {}; files read: {}; tests already known: {}\n",
        imported.fresh, imported.accepted, imported.files, imported.known
    ))
    .context("failed to write to standard output")
}

fn import(results: &Path, dirs: &[PathBuf], now: SystemTime) -> anyhow::Result<Imported> {
    let own = history_path(results);
    let mut known = HashSet::new();
    let before = read::read_each(&own, now, |_, identity| {
        known.insert(identity);
    })?;
    let mut accepted = before.accepted;
    let mut ratios: HashSet<_> = before.ratios.iter().map(Ratio::identity).collect();
    let mut links = Vec::new();
    let (mut imported, mut lines, mut marks) = (Imported::default(), Vec::new(), Vec::new());
    for dir in dirs {
        let refuse = |what| UsageError(format!("{} {what}: {HINT}", dir.display()));
        if !dir.is_dir() {
            return Err(refuse("is no folder").into());
        }
        let found = search(dir).with_context(|| format!("failed to read {}", dir.display()))?;
        if found.is_empty() {
            return Err(refuse("holds neither history.jsonl nor run.json").into());
        }
        for path in found {
            if same_file(&path, &own) {
                continue;
            }
            imported.files += 1;
            let past = load(&path, now, |line, identity| {
                if known.insert(identity) {
                    lines.push(Line {
                        imported: true,
                        ..line.clone()
                    });
                } else {
                    imported.known += 1;
                }
            })?;
            imported.notices.extend(past.notices);
            for one in past.accepted {
                if !accepted.contains(&one) {
                    accepted.push(one.clone());
                    marks.push(AcceptedLine::new(one));
                }
            }
            for one in past.ratios {
                if ratios.insert(one.identity()) {
                    links.push(RatioLine::new(one));
                }
            }
        }
    }
    imported.fresh = lines.len();
    imported.accepted = marks.len();
    for notice in [
        lines::append_lines(results, &lines)?,
        lines::append_lines(results, &marks)?,
        lines::append_lines(results, &links)?,
    ] {
        imported.notices.extend(notice);
    }
    Ok(imported)
}

/// The histories and runs below `dir`. Lines of a history come first: they have what a run.json has, and the mark of a
/// clock that jumped with it.
fn search(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![(dir.to_owned(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (kind, name) = (entry.file_type()?, entry.file_name());
            // Links are not followed: `latest` leads to a run that is found anyway.
            if kind.is_dir() && depth < MAX_DEPTH {
                folders.push((entry.path(), depth + 1));
            } else if kind.is_file() && (name == "history.jsonl" || name == "run.json") {
                found.push(entry.path());
            }
        }
    }
    found.sort_by_key(|path| (!path.ends_with("history.jsonl"), path.clone()));
    Ok(found)
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// Gives `each` the lines of a file; what else is in it.
fn load(path: &Path, now: SystemTime, mut each: impl FnMut(&Line, u64)) -> anyhow::Result<Past> {
    if path.ends_with("history.jsonl") {
        return read::read_each(path, now, each);
    }
    let bytes =
        std::fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    let mut past = Past::default();
    match versioned::<RunRecord>(&bytes, SCHEMA_VERSION) {
        Ok(run) => {
            let lines = lines::lines(&run);
            for line in &lines {
                each(line, identity(line, &line.measured()));
            }
        }
        Err(why) => past
            .notices
            .push(format!("{} {why}: left out", path.display())),
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::testing;
    use super::*;
    use crate::record::Outcome;

    fn now() -> SystemTime {
        read::time("2027-01-01T00:00:00Z").unwrap()
    }

    /// An artifact with a history of `nights`, one accepted change and one comparison.
    fn artifact(dir: &Path, nights: std::ops::Range<usize>) {
        let results = dir.join("load-test-results");
        let lines: Vec<Line> = nights.map(testing::line).collect();
        lines::append_lines(&results, &lines).unwrap();
        let mark = AcceptedLine::new(testing::accepted("wanted"));
        lines::append_lines(&results, &[mark]).unwrap();
        let ratio = Ratio {
            run: "compare".into(),
            at: testing::line(1).at,
            outcome: Outcome::Passed,
            base: testing::commit(0),
            head: testing::commit(1),
            is_same: true,
            tests: BTreeMap::new(),
        };
        lines::append_ratio(&results, ratio).unwrap();
    }

    #[test]
    fn importing_twice_adds_nothing_the_second_time() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        artifact(&dir.path().join("a"), 0..10);
        artifact(&dir.path().join("b"), 5..15);
        let dirs = [dir.path().join("a"), dir.path().join("b")];
        let first = import(&results, &dirs, now()).unwrap();
        assert_eq!(
            (first.fresh, first.known, first.accepted, first.files),
            (15, 5, 1, 2)
        );
        let text = std::fs::read_to_string(history_path(&results)).unwrap();
        assert_eq!(text.matches("\"ratio\":{").count(), 1);
        let second = import(&results, &dirs, now()).unwrap();
        assert_eq!((second.fresh, second.known, second.accepted), (0, 20, 0));
        assert_eq!(
            std::fs::read_to_string(history_path(&results)).unwrap(),
            text
        );
        let past = read::read(&history_path(&results), now()).unwrap();
        assert_eq!((past.entries.len(), past.accepted.len()), (15, 1));
        assert!(past.notices.is_empty(), "{:?}", past.notices);
    }

    #[test]
    fn what_is_left_out_is_not_imported() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        let mut undated = testing::line(1);
        undated.at = "yesterday".into();
        lines::append_lines(&dir.path().join("a"), &[testing::line(0), undated]).unwrap();
        let imported = import(&results, &[dir.path().join("a")], now()).unwrap();
        assert_eq!((imported.fresh, imported.notices.len()), (1, 1));
        let past = read::read(&history_path(&results), now()).unwrap();
        assert!(past.notices.is_empty(), "{:?}", past.notices);
    }

    #[test]
    fn what_is_imported_later_is_in_order_and_no_jump_of_a_clock() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        lines::append_lines(&results, &[testing::line(20)]).unwrap();
        artifact(&dir.path().join("a"), 0..3);
        import(&results, &[dir.path().join("a")], now()).unwrap();
        lines::append_lines(&results, &[testing::line(21)]).unwrap();
        let past = read::read(&history_path(&results), now()).unwrap();
        assert!(past.notices.is_empty(), "{:?}", past.notices);
        assert_eq!(past.entries.last().unwrap().line.run, testing::line(21).run);
    }

    #[test]
    fn runs_that_began_in_the_same_second_are_told_apart_by_what_they_measured_or_by_their_machines()
     {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("results");
        let changes: [fn(&mut Line); 4] = [
            |_| {},
            |line| line.metrics.as_mut().unwrap().duration_ms = 540_001.5,
            |line| line.server_usage.as_mut().unwrap().peak_rss_bytes = 4096,
            |line| line.key.machine = Some("another".into()),
        ];
        for (nth, change) in changes.into_iter().enumerate() {
            let artifact = dir.path().join("artifacts").join(nth.to_string());
            let mut line = testing::line(3);
            change(&mut line);
            lines::append_lines(&artifact, &[line]).unwrap();
        }
        let dirs = [dir.path().join("artifacts")];
        for (fresh, known) in [(4, 0), (0, 4)] {
            let imported = import(&results, &dirs, now()).unwrap();
            assert_eq!((imported.fresh, imported.known), (fresh, known));
        }
        let past = read::read(&history_path(&results), now()).unwrap();
        assert_eq!(past.entries.len(), 4);
    }

    #[test]
    fn broken_files_are_named_and_the_rest_is_imported() {
        let dir = tempfile::tempdir().unwrap();
        let from = dir.path().join("a");
        artifact(&from, 0..3);
        let run = from.join("load-test-results/2026-01-05T02-00-00Z-load");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("run.json"), "{\"schema_version\": 99}").unwrap();
        let results = dir.path().join("results");
        let imported = import(&results, &[from], now()).unwrap();
        assert_eq!(imported.fresh, 3);
        assert!(
            imported.notices[0].contains("has format version 99"),
            "{imported:?}"
        );
    }

    #[test]
    fn a_folder_without_results_and_none_at_all_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let empty = import(&dir.path().join("r"), &[dir.path().to_owned()], now()).unwrap_err();
        assert!(format!("{empty:#}").contains("neither history.jsonl nor run.json"));
        let none = import(&dir.path().join("r"), &[dir.path().join("none")], now()).unwrap_err();
        assert!(format!("{none:#}").contains("is no folder"));
    }
}
