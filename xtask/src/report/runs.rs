//! All runs of a results folder, read back from their `run.json`.

use std::path::Path;

use crate::record::{RunRecord, SCHEMA_VERSION, versioned};

/// The runs that could be read, the oldest first, and a sentence for each that could not.
#[derive(Debug, Default)]
pub struct Runs {
    /// The runs.
    pub found: Vec<FoundRun>,
    /// What was left out, and why.
    pub skipped: Vec<String>,
}

/// A run in its folder.
#[derive(Debug)]
pub struct FoundRun {
    /// The folder's name.
    pub folder: String,
    /// Its record.
    pub record: RunRecord,
    /// Whether its page is there.
    pub has_page: bool,
}

impl Runs {
    /// Reads every run below `results`. A folder without a `run.json` is none of ours, or a run under way: it is passed
    /// over in silence.
    pub fn read(results: &Path) -> Self {
        let mut past = Self::default();
        let entries = std::fs::read_dir(results).into_iter().flatten().flatten();
        // `latest` is a link to one of the others.
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for folder in folders {
            let name = folder.file_name().to_string_lossy().into_owned();
            if !folder.path().join("run.json").exists() {
                continue;
            }
            match read(&folder.path()) {
                Ok(record) => past.found.push(FoundRun {
                    folder: name,
                    record,
                    has_page: folder.path().join("report.html").is_file(),
                }),
                Err(why) => past.skipped.push(format!("{name}: {why}")),
            }
        }
        past.found.sort_by(|a, b| {
            (&a.record.started_at, &a.folder).cmp(&(&b.record.started_at, &b.folder))
        });
        past.skipped.sort();
        past
    }
}

/// Reads the record in a run's folder.
///
/// # Errors
/// A sentence that says why it cannot be used.
pub fn read(folder: &Path) -> Result<RunRecord, String> {
    std::fs::read(folder.join("run.json"))
        .map_err(|error| format!("cannot be read: {error}"))
        .and_then(|text| versioned(&text, SCHEMA_VERSION))
        .map_err(|why| format!("run.json {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_run_is_named_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("a-half", "{\"schema_version\": 1,"),
            ("b-foreign", "{\"x\": 1}"),
            ("c-newer", "{\"schema_version\": 99}"),
            ("d-older", "{\"schema_version\": 1, \"run\": \"d\"}"),
        ] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("run.json"), text).unwrap();
        }
        std::fs::create_dir(dir.path().join("under-way")).unwrap();
        std::fs::write(dir.path().join("history.jsonl"), "").unwrap();
        let past = Runs::read(dir.path());
        assert!(past.found.is_empty());
        let whys = [
            "run.json is corrupted (EOF",
            "no schema_version",
            "format version 99",
            "missing field",
        ];
        assert_eq!(past.skipped.len(), whys.len(), "{:?}", past.skipped);
        for (said, why) in past.skipped.iter().zip(whys) {
            assert!(said.contains(why), "{said}");
        }
        assert!(Runs::read(Path::new("/nonexistent")).found.is_empty());
    }
}
