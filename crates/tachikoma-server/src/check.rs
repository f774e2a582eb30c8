//! `tachikoma-server check`: is the database sound?

use std::path::Path;

use crate::store::{OpenError, open, schema};

/// Most findings that are listed.
const FINDINGS_MAX: usize = 100;

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Missions in the database.
    pub missions: i64,
    /// Its schema version.
    pub version: i64,
    /// Damage, one line for each finding; none in a sound database.
    pub damage: Vec<String>,
}

/// Reads every page of the database in `data_dir` and checks it (SQLite's `integrity_check`).
///
/// # Errors
/// [`OpenError`] if it cannot be read at all, is not ours or newer than this build.
pub fn check(data_dir: &Path) -> Result<Report, OpenError> {
    let path = open::database_path(data_dir);
    if !path.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(OpenError::Directory { path, source });
    }
    let connection = open::open_reader(&path)?;
    let version = schema::check_version(&connection, &path)?;
    let sqlite = |source| OpenError::from_sqlite(&path, source);
    let damage = connection
        .prepare(&format!("PRAGMA integrity_check({FINDINGS_MAX})"))
        .and_then(|mut statement| {
            statement
                .query_map([], |row| row.get(0))?
                .collect::<rusqlite::Result<Vec<String>>>()
        })
        .map_err(sqlite)?;
    let damage: Vec<String> = damage.into_iter().filter(|line| line != "ok").collect();
    let missions = if damage.is_empty() {
        connection
            .query_row("SELECT count(*) FROM missions", [], |row| row.get(0))
            .map_err(sqlite)?
    } else {
        0
    };
    Ok(Report {
        missions,
        version,
        damage,
    })
}
