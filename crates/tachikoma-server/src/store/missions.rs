//! The SQL of missions. Every value is a bound parameter; every statement is prepared once per
//! connection and cached.

use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, Statement, params};
use uuid::Uuid;

use crate::mission::{Mission, MissionPatch};
use crate::timestamp::Timestamp;

/// The statement of [`insert`].
///
/// # Errors
/// What SQLite reports.
pub fn prepare_insert(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
    connection.prepare_cached("INSERT INTO missions VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")
}

/// Adds a mission.
///
/// # Errors
/// What SQLite reports.
pub fn insert(statement: &mut Statement<'_>, mission: &Mission) -> rusqlite::Result<()> {
    let values = params![
        mission.id,
        mission.name,
        mission.prompt,
        mission.backend,
        mission.status,
        mission.created_at.0,
        mission.updated_at.0,
    ];
    statement.execute(values).map(drop)
}

/// How long the key of a create is remembered, in milliseconds: a day.
const KEY_LIFE: i64 = 24 * 60 * 60 * 1000;

/// Remembers which mission was created with an idempotency key, and forgets two old keys: they
/// become fewer, and no create pays for a day of them.
///
/// # Errors
/// What SQLite reports.
pub fn remember(connection: &Connection, key: &str, mission: &Mission) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE key IN (
                 SELECT key FROM idempotency_keys WHERE created_at < ?1 ORDER BY created_at LIMIT 2)",
        )?
        .execute([mission.created_at.0 - KEY_LIFE])?;
    connection
        .prepare_cached("REPLACE INTO idempotency_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            key,
            mission.id,
            mission.name,
            mission.prompt,
            mission.backend,
            mission.created_at.0,
        ])?;
    Ok(())
}

/// The mission that was created with an idempotency key, as it was then, if that is no more than a
/// day ago and it has not been deleted.
///
/// # Errors
/// What SQLite reports.
pub fn created_with(
    connection: &Connection,
    key: &str,
    now: Timestamp,
) -> rusqlite::Result<Option<Mission>> {
    connection
        .prepare_cached(
            "SELECT mission, name, prompt, backend, 'pending', created_at, created_at
             FROM idempotency_keys WHERE key = ?1 AND created_at >= ?2
                 AND EXISTS (SELECT 1 FROM missions WHERE id = mission)",
        )?
        .query_row(params![key, now.0 - KEY_LIFE], from_row)
        .optional()
}

/// Changes the given fields and gives the mission as it is then, or `None` if there is none.
///
/// # Errors
/// What SQLite reports.
pub fn update(
    connection: &Connection,
    id: Uuid,
    patch: &MissionPatch,
    now: Timestamp,
) -> rusqlite::Result<Option<Mission>> {
    connection
        .prepare_cached(
            "UPDATE missions SET name = coalesce(?2, name), prompt = coalesce(?3, prompt),
                 backend = coalesce(?4, backend), status = coalesce(?5, status),
                 updated_at = max(?6, created_at)
             WHERE id = ?1
             RETURNING id, name, prompt, backend, status, created_at, updated_at",
        )?
        .query_row(
            params![
                id,
                patch.name,
                patch.prompt,
                patch.backend,
                patch.status,
                now.0,
            ],
            from_row,
        )
        .optional()
}

/// Deletes a mission and gives it as it was, or `None` if there was none.
///
/// # Errors
/// What SQLite reports.
pub fn delete(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Mission>> {
    connection
        .prepare_cached(
            "DELETE FROM missions WHERE id = ?1
             RETURNING id, name, prompt, backend, status, created_at, updated_at",
        )?
        .query_row([id], from_row)
        .optional()
}

/// One mission.
///
/// # Errors
/// What SQLite reports.
pub fn get(connection: &Connection, id: Uuid) -> rusqlite::Result<Option<Mission>> {
    connection
        .prepare_cached(
            "SELECT id, name, prompt, backend, status, created_at, updated_at
             FROM missions WHERE id = ?1",
        )?
        .query_row([id], from_row)
        .optional()
}

/// At most `limit` missions, newest first, all of them older than `before`.
///
/// Its cost depends on `limit` only: the walk begins at the key (keyset pagination).
///
/// # Errors
/// What SQLite reports.
pub fn list(
    connection: &Connection,
    before: Option<Uuid>,
    limit: usize,
) -> rusqlite::Result<Vec<Mission>> {
    // No id is greater than the greatest, which is never given to a mission.
    let before = before.unwrap_or(Uuid::max());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(
        "SELECT id, name, prompt, backend, status, created_at, updated_at
         FROM missions WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
    )?;
    statement
        .query_map(params![before, limit], from_row)?
        .collect()
}

/// The greatest id, for [`super::ids::IdGenerator`].
///
/// # Errors
/// What SQLite reports.
pub fn last_id(connection: &Connection) -> rusqlite::Result<Option<Uuid>> {
    let newest = "SELECT id FROM missions ORDER BY id DESC LIMIT 1";
    connection
        .query_row(newest, [], |row| row.get(0))
        .optional()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Mission> {
    Ok(Mission {
        id: row.get(0)?,
        name: row.get(1)?,
        prompt: row.get(2)?,
        backend: row.get(3)?,
        status: row.get(4)?,
        created_at: Timestamp(row.get(5)?),
        updated_at: Timestamp(row.get(6)?),
    })
}
