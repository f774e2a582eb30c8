//! Connections to the database, each set up for its purpose.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags};

use super::error::is_want_of_room;
use super::{OpenError, schema};

/// How long a connection waits for a lock that another program holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Databases up to this size, in bytes, are checked in full at each start: it takes less than a
/// second. For greater ones there is the `check` command.
const QUICK_CHECK_MAX: u64 = 64 * 1024 * 1024;

/// The database file of a data directory.
pub fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tachikoma.db")
}

/// Opens the database for writing: creates and migrates it as needed, after checking that it is
/// sound, ours, and not newer than this build.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
    schema::check_version(&connection, path)?;
    // Takes the write lock once, so that a lock of another program shows now and not at the
    // first request.
    connection
        .execute_batch("BEGIN IMMEDIATE; ROLLBACK;")
        .map_err(sqlite)?;
    quick_check(&connection, path)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" {
        let source = std::io::Error::other(format!(
            "the file system does not support write-ahead logging (journal mode is {mode})"
        ));
        return Err(OpenError::Directory {
            path: path.to_owned(),
            source,
        });
    }
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA wal_autocheckpoint = 4000;
             PRAGMA journal_size_limit = 67108864;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(sqlite)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the database for reading only.
///
/// Readers need a file of shared memory beside it. If there is no room for that, nobody can be
/// writing either, and a database without a log is read as a file that does not change.
///
/// # Errors
/// [`OpenError`], which says what to do.
pub fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let open = |name: &OsStr, flags| {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(name, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    let usual = open(path.as_os_str(), OpenFlags::empty());
    let log = log_path(path).metadata().map_or(0, |log| log.len());
    match usual {
        Err(error) if log == 0 && is_want_of_room(&error) => {
            let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
            let name = OsString::from(format!("file:{name}?immutable=1"));
            open(&name, OpenFlags::SQLITE_OPEN_URI)
        }
        usual => usual,
    }
    .map_err(|source| OpenError::from_sqlite(path, source))
}

/// The write-ahead log of a database.
pub fn log_path(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

fn quick_check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size > QUICK_CHECK_MAX {
        return Ok(());
    }
    let answer: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| OpenError::from_sqlite(path, source))?;
    if answer == "ok" {
        return Ok(());
    }
    Err(OpenError::Corrupted {
        path: path.to_owned(),
        detail: answer,
    })
}
