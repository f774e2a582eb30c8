//! What can go wrong with the database: when it is opened, and later.

use std::path::PathBuf;

use rusqlite::ErrorCode;

/// Why a data directory cannot be used. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be created, read or written.
    #[error(
        "failed to use the data directory {path}: {source}; \
         give a folder that this user can write with --data-dir"
    )]
    Directory {
        /// The data directory, or the file in it.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another server works in this directory.
    #[error(
        "the data directory {path} is in use by another tachikoma-server{}; \
         stop it, or give this one a directory of its own with --data-dir",
        holder.as_ref().map(|pid| format!(" (process {pid})")).unwrap_or_default()
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The process id that the other server left in its lock file.
        holder: Option<String>,
    },
    /// Another program holds a lock on the database itself.
    #[error(
        "the database {path} is locked by another program; \
         close what has it open (such as a sqlite3 shell or a backup) and start again"
    )]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a sound SQLite database.
    #[error(
        "the database {path} is corrupted: {detail}; restore it from a backup, \
         or move it away to begin with an empty one"
    )]
    Corrupted {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        detail: String,
    },
    /// A later version of the server has been here.
    #[error(
        "the database {path} has schema version {found}, and this server knows versions up to \
         {known}; start the newer server that wrote it, or give another --data-dir"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its `user_version`.
        found: i64,
        /// The newest that this build can read.
        known: i64,
    },
    /// The file is SQLite's, but not ours.
    #[error(
        "the database {path} belongs to another program (application id {found:#x}); \
         give another --data-dir"
    )]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// Its `application_id`.
        found: i64,
    },
    /// Anything else that SQLite reports.
    #[error("failed to open the database {path}: {source}")]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The operating system refused a thread.
    #[error("failed to start a database thread: {0}")]
    Thread(std::io::Error),
}

impl OpenError {
    /// Sorts SQLite's errors into those that an operator can act upon.
    pub fn from_sqlite(path: &std::path::Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Locked { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupted {
                path,
                detail: source.to_string(),
            },
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                let source = std::io::Error::other(source.to_string());
                Self::Directory { path, source }
            }
            _ => Self::Sqlite { path, source },
        }
    }
}

/// Why a read or a write of a running server failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The queue to the database is full: the client should come back later.
    #[error("the database's queue is full")]
    Busy,
    /// The database threads are ending.
    #[error("the database is closed")]
    Closed,
    /// The idempotency key belongs to another mission.
    #[error("the idempotency key was used for another mission")]
    KeyReused,
    /// The database cannot be written: what was to be written is not.
    #[error("{0}")]
    Unwritable(String),
    /// SQLite refused the statement.
    #[error("{0}")]
    Sqlite(String),
}

/// Whether SQLite could not write because there is no room: on a full disk it also reports that a
/// file could not be enlarged, as an input/output error.
pub fn is_want_of_room(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
    )
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            _ if is_want_of_room(&error) => Self::Unwritable(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error.to_string()),
        }
    }
}
