//! The database's schema and how older ones are brought up to it.

use std::path::Path;

use anyhow::ensure;
use rusqlite::{Connection, TransactionBehavior};

/// Marks the file as ours: "TACH" in ASCII.
pub const APPLICATION_ID: i64 = 0x5441_4348;

/// One script per schema version. A released script is never changed, only followed by another.
///
/// Missions are kept in the order of their ids, without a second index: an insert appends at the
/// right edge of one tree, and a page of the list is one walk along it.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE missions (
        id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
        name       TEXT    NOT NULL,
        prompt     TEXT    NOT NULL,
        backend    TEXT    NOT NULL,
        status     TEXT    NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE health_probe (
        id        INTEGER PRIMARY KEY CHECK (id = 1),
        probed_at INTEGER NOT NULL
    ) STRICT;
    INSERT INTO health_probe VALUES (1, 0);
",
    "
    CREATE TABLE idempotency_keys (
        key        TEXT    NOT NULL PRIMARY KEY,
        mission    BLOB    NOT NULL,
        name       TEXT    NOT NULL,
        prompt     TEXT    NOT NULL,
        backend    TEXT    NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
",
    "
    CREATE INDEX idempotency_keys_by_mission ON idempotency_keys (mission);
",
    "
    DROP INDEX idempotency_keys_by_mission;
",
];

/// The schema version of this build, kept in SQLite's `user_version`.
pub fn current_version() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Refuses a database that is not ours or newer than this build, before anything is changed.
///
/// # Errors
/// If it is, or what SQLite reports.
pub fn check_version(connection: &Connection, path: &Path) -> anyhow::Result<i64> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let version = number("PRAGMA user_version")?;
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    ensure!(
        application == APPLICATION_ID || (application == 0 && tables == 0),
        "the database {} belongs to another program (application id {application:#x}); \
         give another --data-dir",
        path.display()
    );
    ensure!(
        version <= current_version(),
        "the database {} has schema version {version}, and this server knows versions up to {}; \
         start the newer server that wrote it, or give another --data-dir",
        path.display(),
        current_version()
    );
    Ok(version)
}

/// Brings the schema up to this build's version; each step is one transaction.
///
/// # Errors
/// As [`check_version`], or when a step fails, which leaves the version before it.
pub fn migrate(connection: &mut Connection, path: &Path) -> anyhow::Result<()> {
    let done = usize::try_from(check_version(connection, path)?)?;
    for (version, script) in (1_i64..).zip(MIGRATIONS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(script)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
        tracing::info!(version, "database schema migrated");
    }
    Ok(())
}
