//! Missions: what they are made of and which values their fields may have.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::timestamp::Timestamp;

/// Longest mission name, in Unicode characters.
pub const NAME_MAX: usize = 200;
/// Longest mission prompt, in Unicode characters.
pub const PROMPT_MAX: usize = 8_000;
/// Longest name of a backend, in ASCII characters.
pub const BACKEND_MAX: usize = 64;

/// A mission, as it is stored and answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mission {
    /// UUID version 7: later missions have greater ids.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// What is to be done.
    pub prompt: String,
    /// The backend that is to do it.
    pub backend: String,
    /// How far it has come.
    pub status: MissionStatus,
    /// When it was created, RFC 3339 in UTC.
    pub created_at: Timestamp,
    /// When it was changed last, RFC 3339 in UTC.
    pub updated_at: Timestamp,
}

/// Reads a mission id in its one form, 36 characters with hyphens; the letters' case is free.
pub fn parse_id(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

/// How far a mission has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissionStatus {
    /// Created, not yet begun.
    Pending,
    /// Under way.
    Running,
    /// Ended well.
    Completed,
    /// Ended badly.
    Failed,
    /// Given up.
    Cancelled,
}

impl MissionStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pending,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The name under which the database and clients know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ToSql for MissionStatus {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for MissionStatus {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        let known = Self::ALL.into_iter().find(|status| status.name() == name);
        known.ok_or_else(|| FromSqlError::Other(format!("unknown status {name:?}").into()))
    }
}

/// A body that checks its own fields once it has been read.
pub trait Validate {
    /// Checks every field that is given.
    ///
    /// # Errors
    /// The first field that breaks its rule, in words for the client.
    fn validate(&self) -> Result<(), String>;
}

/// The body of `POST /api/missions`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewMission {
    /// What people call it.
    pub name: String,
    /// What is to be done.
    pub prompt: String,
    /// The backend that is to do it, such as `mock`.
    pub backend: String,
}

impl Validate for NewMission {
    fn validate(&self) -> Result<(), String> {
        check_length("name", &self.name, NAME_MAX)?;
        check_length("prompt", &self.prompt, PROMPT_MAX)?;
        check_backend(&self.backend)
    }
}

/// The body of `PATCH /api/missions/{id}`: at least one field, each as in [`Mission`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissionPatch {
    /// A new name.
    #[serde(default, deserialize_with = "present")]
    pub name: Option<String>,
    /// A new prompt.
    #[serde(default, deserialize_with = "present")]
    pub prompt: Option<String>,
    /// Another backend.
    #[serde(default, deserialize_with = "present")]
    pub backend: Option<String>,
    /// A new status.
    #[serde(default, deserialize_with = "present")]
    pub status: Option<MissionStatus>,
}

impl Validate for MissionPatch {
    fn validate(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("at least one of name, prompt, backend and status must be given".into());
        }
        let given = |field: &Option<String>, check: fn(&str) -> Result<(), String>| {
            field.as_deref().map_or(Ok(()), check)
        };
        given(&self.name, |name| check_length("name", name, NAME_MAX))?;
        given(&self.prompt, |prompt| {
            check_length("prompt", prompt, PROMPT_MAX)
        })?;
        given(&self.backend, check_backend)
    }
}

/// A field that may be absent but, when it is there, may not be `null`.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

fn check_length(field: &str, text: &str, max: usize) -> Result<(), String> {
    let length = text.chars().count();
    if (1..=max).contains(&length) {
        return Ok(());
    }
    Err(format!(
        "{field} must have 1 to {max} characters, but has {length}"
    ))
}

fn check_backend(backend: &str) -> Result<(), String> {
    check_length("backend", backend, BACKEND_MAX)?;
    let begins_well = backend.starts_with(|c: char| c.is_ascii_alphanumeric());
    let all_known = backend
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if begins_well && all_known {
        return Ok(());
    }
    Err(
        "backend must begin with a letter or digit and contain only letters, digits, '.', '_' \
         and '-'"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str, prompt: &str, backend: &str) -> NewMission {
        NewMission {
            name: name.to_owned(),
            prompt: prompt.to_owned(),
            backend: backend.to_owned(),
        }
    }

    #[test]
    fn fields_are_checked_and_the_message_names_the_field() {
        assert_eq!(new("n", "p", "mock").validate(), Ok(()));
        assert_eq!(
            new(&"é".repeat(NAME_MAX), "p", "gpu-4.5_x").validate(),
            Ok(())
        );
        for (mission, field) in [
            (new("", "p", "mock"), "name"),
            (new(&"é".repeat(NAME_MAX + 1), "p", "mock"), "name"),
            (new("n", "", "mock"), "prompt"),
            (new("n", &"p".repeat(PROMPT_MAX + 1), "mock"), "prompt"),
            (new("n", "p", ""), "backend"),
            (new("n", "p", "-x"), "backend"),
            (new("n", "p", "a b"), "backend"),
            (new("n", "p", "mock\n"), "backend"),
        ] {
            let message = mission.validate().expect_err("must be refused");
            assert!(message.starts_with(field), "{message}");
        }
    }

    #[test]
    fn a_patch_needs_a_field_and_no_field_may_be_null() {
        let empty: MissionPatch = serde_json::from_str("{}").expect("parses");
        assert!(empty.validate().is_err());
        assert!(serde_json::from_str::<MissionPatch>(r#"{"name":null}"#).is_err());
        assert!(serde_json::from_str::<MissionPatch>(r#"{"nmae":"x"}"#).is_err());
        let patch: MissionPatch = serde_json::from_str(r#"{"status":"running"}"#).expect("parses");
        assert_eq!(patch.status, Some(MissionStatus::Running));
        assert_eq!(patch.validate(), Ok(()));
    }

    #[test]
    fn ids_have_one_form() {
        let id = "018f3a3e-5b7c-7def-8a01-0123456789ab";
        assert!(parse_id(id).is_some());
        assert!(parse_id(&id.replace('-', "")).is_none());
        assert!(parse_id(&format!("{{{id}}}")).is_none());
        assert!(parse_id(&format!("urn:uuid:{id}")).is_none());
        assert!(parse_id("").is_none());
    }

    #[test]
    fn every_status_survives_the_database() {
        let database = rusqlite::Connection::open_in_memory().expect("opens");
        for status in MissionStatus::ALL {
            let read = database.query_row("SELECT ?1", [status], |row| row.get(0));
            assert_eq!(read, Ok(status));
            assert_eq!(serde_json::json!(status), status.name());
        }
        let unknown = database.query_row("SELECT 'done'", [], |row| row.get::<_, MissionStatus>(0));
        assert!(unknown.is_err());
    }
}
