//! Brings the index of specs up to date with the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};

use super::files::{self, SpecFile, SpecsError};

/// The version of the index's layout; an index of another version is built anew.
const VERSION: i64 = 3;

/// A spec's row and its words change together, by triggers (the pattern that SQLite's
/// documentation gives for external content tables).
const SCHEMA: &str = "
    CREATE TABLE specs (
        row      INTEGER PRIMARY KEY,
        id       TEXT    NOT NULL UNIQUE,
        name     TEXT    NOT NULL,
        title    TEXT    NOT NULL,
        content  TEXT    NOT NULL,
        modified INTEGER NOT NULL,
        size     INTEGER NOT NULL
    ) STRICT;
    CREATE VIRTUAL TABLE spec_words USING fts5 (
        title, content, content = 'specs', content_rowid = 'row',
        tokenize = 'porter unicode61 remove_diacritics 2'
    );
    INSERT INTO spec_words (spec_words, rank) VALUES ('rank', 'bm25(5.0, 1.0)');
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

/// The index's database file in a data directory.
pub fn index_path(data_dir: &Path) -> PathBuf {
    data_dir.join("specs.db")
}

/// Reads the files that are new or differ in modification time or size, and drops those that are
/// gone, all in one transaction: readers see the index before or after it, and a broken file
/// leaves it as it was.
///
/// # Errors
/// [`SpecsError`], which names the file.
pub fn update(index: &Path, folder: &Path) -> Result<Changes, SpecsError> {
    let files = files::list(folder)?;
    match update_from(index, folder, &files) {
        Err(SpecsError::Index { source, .. }) if is_damaged(&source) => {
            tracing::warn!(path = %index.display(), "the index of specs is damaged: building it anew");
            remove(index)?;
            update_from(index, folder, &files)
        }
        result => result,
    }
}

fn update_from(
    index: &Path,
    folder: &Path,
    files: &BTreeMap<String, SpecFile>,
) -> Result<Changes, SpecsError> {
    let sqlite = |source| SpecsError::Index {
        path: index.to_owned(),
        source,
    };
    let (mut connection, is_new) = open(index).map_err(sqlite)?;
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(sqlite)?;
    let known = known(&transaction).map_err(sqlite)?;
    let mut changes = Changes {
        total: files.len(),
        read: 0,
        removed: 0,
        is_new,
    };
    for id in known.keys().filter(|id| !files.contains_key(*id)) {
        remove_row(&transaction, id).map_err(sqlite)?;
        changes.removed += 1;
    }
    for (id, file) in files {
        if known.get(id) == Some(file) {
            continue;
        }
        let content = files::read(folder, file)?;
        remove_row(&transaction, id).map_err(sqlite)?;
        insert_row(&transaction, file, &content).map_err(sqlite)?;
        changes.read += 1;
    }
    if changes.read + changes.removed > 0 {
        // One merged tree answers faster than the many small ones that the inserts left.
        transaction
            .execute(
                "INSERT INTO spec_words (spec_words) VALUES ('optimize')",
                [],
            )
            .map_err(sqlite)?;
    }
    transaction.commit().map_err(sqlite)?;
    Ok(changes)
}

/// Opens the index, and says whether it was made now.
fn open(index: &Path) -> rusqlite::Result<(Connection, bool)> {
    let connection = Connection::open(index)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // Pages that hold a whole spec of usual length: one read gets it. Only a new file takes this.
    connection.execute_batch("PRAGMA page_size = 16384;")?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // A lost index is only built anew.
    connection.execute_batch("PRAGMA synchronous = OFF;")?;
    match version {
        VERSION => {}
        0 => {
            let script =
                format!("BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;");
            connection.execute_batch(&script)?;
        }
        _ => return Err(rusqlite::Error::InvalidQuery),
    }
    Ok((connection, version == 0))
}

fn known(connection: &Connection) -> rusqlite::Result<BTreeMap<String, SpecFile>> {
    let mut statement = connection.prepare("SELECT id, name, modified, size FROM specs")?;
    let rows = statement.query_map([], |row| {
        Ok(SpecFile {
            id: row.get(0)?,
            name: row.get(1)?,
            modified: row.get(2)?,
            size: row.get(3)?,
        })
    })?;
    rows.map(|row| row.map(|file| (file.id.clone(), file)))
        .collect()
}

fn insert_row(connection: &Connection, file: &SpecFile, content: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO specs (id, name, title, content, modified, size)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            file.id,
            file.name,
            files::title(file, content),
            content,
            file.modified,
            file.size
        ])?;
    Ok(())
}

fn remove_row(connection: &Connection, id: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM specs WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Damage, or a layout of another version, which [`open`] reports as an invalid query.
fn is_damaged(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error, rusqlite::Error::InvalidQuery)
        || matches!(
            error.sqlite_error_code(),
            Some(DatabaseCorrupt | NotADatabase)
        )
}

fn remove(index: &Path) -> Result<(), SpecsError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = index.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(SpecsError::Unreadable { path, source });
            }
            _ => {}
        }
    }
    Ok(())
}
