//! Brings the index of specs up to date with the folder.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use rusqlite::{Connection, TransactionBehavior};

use super::files::{self, SpecFile};

/// The version of the index's layout; an index of another version is built anew.
const VERSION: i64 = 4;

/// A spec's row and its words change together, by triggers (the pattern that SQLite's
/// documentation gives for external content tables).
const SCHEMA: &str = "
    CREATE TABLE specs (
        row      INTEGER PRIMARY KEY,
        id       TEXT    NOT NULL UNIQUE,
        name     TEXT    NOT NULL,
        title    TEXT    NOT NULL,
        content  TEXT    NOT NULL,
        stamp    TEXT    NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE spec_words USING fts5 (
        title, content, content = 'specs', content_rowid = 'row',
        tokenize = 'porter unicode61 remove_diacritics 2'
    );
    CREATE TRIGGER specs_added AFTER INSERT ON specs BEGIN
        INSERT INTO spec_words (rowid, title, content) VALUES (new.row, new.title, new.content);
    END;
    CREATE TRIGGER specs_removed AFTER DELETE ON specs BEGIN
        INSERT INTO spec_words (spec_words, rowid, title, content)
        VALUES ('delete', old.row, old.title, old.content);
    END;
";

/// What an update of the index did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// Specs in the index now.
    pub total: usize,
    /// New or changed files that were read.
    pub read: usize,
    /// Specs whose file is gone.
    pub removed: usize,
    /// The index is a new file: whoever has it open must open it again.
    pub is_new: bool,
}

impl Changes {
    /// Says them in the log.
    pub fn log(self) {
        let (read, removed) = (self.read, self.removed);
        tracing::info!(total = self.total, read, removed, "specs indexed");
    }
}

/// The index's database file in a data directory.
pub fn index_path(data_dir: &Path) -> PathBuf {
    data_dir.join("specs.db")
}

/// Reads the files that are new or differ in modification time or size, and drops those that are
/// gone, all in one transaction: readers see the index before or after it, and a broken file
/// leaves it as it was.
///
/// # Errors
/// What is wrong with which file.
pub fn update(index: &Path, folder: &Path) -> anyhow::Result<Changes> {
    let files = files::list(folder)?;
    let mut changes = update_from(index, folder, &files);
    if changes.as_ref().is_err_and(is_damaged) {
        tracing::warn!(path = %index.display(), "the index of specs is damaged: building it anew");
        for suffix in ["", "-wal", "-shm"] {
            let mut path = index.as_os_str().to_owned();
            path.push(suffix);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("failed to remove {path:?}"));
                }
                _ => {}
            }
        }
        changes = update_from(index, folder, &files);
    }
    changes.with_context(|| format!("failed to index the specs in {}", folder.display()))
}

fn update_from(
    index: &Path,
    folder: &Path,
    files: &BTreeMap<String, SpecFile>,
) -> anyhow::Result<Changes> {
    let (mut connection, is_new) = open(index)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut select = transaction.prepare("SELECT id, name, stamp FROM specs")?;
    let known = select
        .query_map([], |row| {
            let (name, stamp) = (row.get(1)?, row.get(2)?);
            Ok((row.get(0)?, SpecFile { name, stamp }))
        })?
        .collect::<rusqlite::Result<BTreeMap<String, SpecFile>>>()?;
    let mut remove = transaction.prepare("DELETE FROM specs WHERE id = ?1")?;
    let mut insert = transaction.prepare(
        "INSERT INTO specs (id, name, title, content, stamp) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let (mut read, mut removed) = (0, 0);
    for id in known.keys().filter(|id| !files.contains_key(*id)) {
        removed += remove.execute([id])?;
    }
    for (id, file) in files
        .iter()
        .filter(|(id, file)| known.get(*id) != Some(file))
    {
        let content = files::read(folder, file)?;
        let title = files::title(file, &content);
        remove.execute([id])?;
        read += insert.execute([id, &file.name, &title, &content, &file.stamp])?;
    }
    drop((select, remove, insert));
    if read + removed > 0 {
        // One merged tree answers faster than the many small ones that the inserts left.
        let merge = "INSERT INTO spec_words (spec_words) VALUES ('optimize')";
        transaction.execute(merge, [])?;
    }
    transaction.commit()?;
    let total = files.len();
    Ok(Changes {
        total,
        read,
        removed,
        is_new,
    })
}

/// Opens the index, and says whether it was made now.
fn open(index: &Path) -> rusqlite::Result<(Connection, bool)> {
    let connection = Connection::open(index)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // Pages that hold a whole spec of usual length: one read gets it. Only a new file takes this.
    // A lost index is only built anew, so it need not be flushed.
    connection.execute_batch(
        "PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;",
    )?;
    match version {
        VERSION => {}
        0 => connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;"
        ))?,
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok((connection, version == 0))
}

/// Damage, or a layout of another version, which [`open`] reports as an invalid query.
fn is_damaged(error: &anyhow::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    error
        .downcast_ref::<rusqlite::Error>()
        .is_some_and(|error| {
            let code = error.sqlite_error_code();
            matches!(error, rusqlite::Error::InvalidQuery)
                || matches!(code, Some(DatabaseCorrupt | NotADatabase))
        })
}
