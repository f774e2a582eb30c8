//! The data directory and connections to its databases, each set up for its purpose.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;

/// How long a connection waits for a lock that another program holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Databases up to this size, in bytes, are checked in full at each start: it takes less than a
/// second.
const QUICK_CHECK_MAX: u64 = 64 * 1024 * 1024;

/// The database file of a data directory.
pub fn database_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tachikoma.db")
}

/// The write-ahead log of a database.
pub fn log_path(database: &Path) -> PathBuf {
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    PathBuf::from(log)
}

/// Creates the data directory if it is missing, and takes its lock: one server works in it. The
/// operating system gives the lock back when the process ends, however it ends.
///
/// # Errors
/// If the directory cannot be written, or another process holds the lock.
pub fn lock(data_dir: &Path) -> anyhow::Result<File> {
    // What is in it is nobody else's business.
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(data_dir);
    made.with_context(|| unusable(data_dir))?;
    let mode = std::fs::metadata(data_dir).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        tracing::warn!(path = %data_dir.display(), "others may look into the data directory");
    }
    let path = data_dir.join("tachikoma.lock");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).with_context(|| unusable(&path))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder's id only makes the message better: not knowing it is no error.
            let _ = file.read_to_string(&mut holder);
            bail!(
                "the data directory {} is in use by another tachikoma-server (process {}); \
                 stop it, or give this one a directory of its own with --data-dir",
                data_dir.display(),
                holder.trim()
            );
        }
        locked => locked.with_context(|| unusable(&path))?,
    }
    let id = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.rewind());
    // On a full disk the lock holds all the same.
    if let Err(error) = written.and_then(|()| file.write_all(id.as_bytes())) {
        tracing::warn!(%error, "failed to note the process id in the lock file");
    }
    Ok(file)
}

/// Opens the database for writing: creates and migrates it as needed, after checking that it is
/// sound, ours, and not newer than this build.
///
/// # Errors
/// What is wrong and what to do.
pub fn open_writer(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    schema::check_version(&connection, path)?;
    // Takes the write lock once, so that a lock of another program shows now and not at the
    // first request.
    connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK;")?;
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size <= QUICK_CHECK_MAX {
        let damage: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        ensure!(damage == "ok", "{}: {damage}", corrupted(path));
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    ensure!(
        mode == "wal",
        "failed to use the database {}: its file system does not support write-ahead logging \
         (journal mode is {mode}); give another folder with --data-dir",
        path.display()
    );
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 4000;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA temp_store = MEMORY;",
    )?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the database for reading only.
///
/// Readers need a file of shared memory beside it. If there is no room for that, nobody can be
/// writing either, and a database without a log is read as a file that does not change.
///
/// # Errors
/// What is wrong and what to do.
pub fn open_reader(path: &Path) -> anyhow::Result<Connection> {
    let open = |name: &OsStr, flags| -> rusqlite::Result<Connection> {
        let flags = flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(name, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA query_only = ON;")?;
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    let usual = open(path.as_os_str(), OpenFlags::empty());
    let log = log_path(path).metadata().map_or(0, |log| log.len());
    let opened = match usual {
        Err(error) if log == 0 && is_want_of_room(&error) => {
            let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
            let name = OsString::from(format!("file:{name}?immutable=1"));
            open(&name, OpenFlags::SQLITE_OPEN_URI)
        }
        usual => usual,
    };
    opened.map_err(|error| explain(path, error.into()))
}

/// Says of SQLite's errors what an operator can do about them.
pub fn explain(path: &Path, error: anyhow::Error) -> anyhow::Error {
    let Some(sqlite) = error.downcast_ref::<rusqlite::Error>() else {
        return error;
    };
    let context = match sqlite.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "the database {} is locked by another program; \
             close what has it open (such as a sqlite3 shell or a backup) and start again",
            path.display()
        ),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => corrupted(path),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            unusable(path)
        }
        _ => format!("failed to open the database {}", path.display()),
    };
    error.context(context)
}

fn unusable(path: &Path) -> String {
    format!(
        "failed to use the data directory at {}; \
         give a folder that this user can write with --data-dir",
        path.display()
    )
}

fn corrupted(path: &Path) -> String {
    format!(
        "the database {} is corrupted; \
         restore it from a backup, or move it away to begin with an empty one",
        path.display()
    )
}

/// Whether SQLite could not write because there is no room: on a full disk it also reports that a
/// file could not be enlarged, as an input/output error.
pub fn is_want_of_room(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error_code();
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure))
}
