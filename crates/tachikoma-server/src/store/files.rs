//! Whether the files on disk are those that are open.
//!
//! SQLite goes on writing into a database whose files were deleted, moved or truncated, and tells
//! nobody: what it acknowledges then is lost with the next restart.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure};
use rusqlite::Connection;

use super::open::log_path;

/// Lengths in the write-ahead log (SQLite, "WAL-mode File Format", 1): of its header, of the
/// header before each page, and how the file begins but for the last bit.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
const LOG_MAGIC: u32 = 0x377f_0682;

/// The database file and its write-ahead log, as they were opened.
#[derive(Debug)]
pub struct Files {
    database: PathBuf,
    log: PathBuf,
    identities: [(u64, u64); 2],
    /// Also open here, so that looking at it needs no free file descriptor. (Of the database file
    /// this must not be done: closing it would release SQLite's own locks.)
    open_log: File,
    page_size: u64,
    /// Sizes of the database and the log when they were last seen and whole.
    size: u64,
    log_size: u64,
}

impl Files {
    /// Notes which files `connection` has open, just after it has opened them.
    ///
    /// # Errors
    /// If they are not there.
    pub fn of(connection: &Connection, database: &Path) -> anyhow::Result<Self> {
        let log = log_path(database);
        let metadata = database.metadata()?;
        Ok(Self {
            identities: [identity(&metadata), identity(&log.metadata()?)],
            open_log: File::open(&log)?,
            database: database.to_owned(),
            log,
            page_size: pragma(connection, "PRAGMA page_size")?,
            size: metadata.len(),
            log_size: 0,
        })
    }

    /// Compares the files with what `connection` knows of them.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn check(&mut self, connection: &Connection) -> anyhow::Result<()> {
        let name = self.database.display();
        let (Ok(database), Ok(log)) = (self.database.metadata(), self.log.metadata()) else {
            bail!("{name} or its -wal was moved or deleted under the running server");
        };
        ensure!(
            self.identities == [identity(&database), identity(&log)],
            "{name} or its -wal was replaced under the running server"
        );
        // It may also shrink when another program compacts it, and is whole then.
        ensure!(
            database.len() >= self.size
                || database.len() >= pragma(connection, "PRAGMA page_count")? * self.page_size,
            "{name} was truncated under the running server"
        );
        let mut is_whole = true;
        if log.len() < self.log_size {
            // It shrinks when it begins anew or is folded, but never below what is still needed.
            let frames = "PRAGMA wal_checkpoint(NOOP)";
            let frames: u32 = connection.query_row(frames, [], |row| row.get(1))?;
            let needed = LOG_HEADER + u64::from(frames) * (FRAME_HEADER + self.page_size);
            is_whole = frames == 0 || log.len() >= needed;
        }
        if log.len() > 0 {
            // A log that was truncated and then written to begins with a hole.
            let mut magic = [0; 4];
            is_whole &= self.open_log.read_exact_at(&mut magic, 0).is_ok()
                && u32::from_be_bytes(magic) & !1 == LOG_MAGIC;
        }
        ensure!(
            is_whole,
            "the -wal of {name} was truncated under the running server"
        );
        (self.size, self.log_size) = (database.len(), log.len());
        Ok(())
    }
}

fn pragma(connection: &Connection, sql: &str) -> rusqlite::Result<u64> {
    let value: u32 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::from(value))
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
