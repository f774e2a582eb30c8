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
    /// Size of the database file when it was last seen; it only grows.
    size: u64,
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
        self.size = database.len();
        let mut frames = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let frames: u64 = frames.query_row([], |row| row.get::<_, u32>(1))?.into();
        let mut magic = [0; 4];
        let is_whole = frames == 0
            || log.len() >= LOG_HEADER + frames * (FRAME_HEADER + self.page_size)
                && self.open_log.read_exact_at(&mut magic, 0).is_ok()
                && u32::from_be_bytes(magic) & !1 == LOG_MAGIC;
        ensure!(
            is_whole,
            "the -wal of {name} was truncated under the running server"
        );
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
