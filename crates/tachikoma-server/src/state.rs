//! What every handler can reach.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use axum::http::HeaderMap;
use tokio::sync::watch;

use crate::api::answer::AnswerRoom;
use crate::auth::ApiKey;
use crate::config::{self, ConfigError};
use crate::events::EventHub;
use crate::health::Health;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::specs::files::SpecsError;
use crate::specs::index::{self, Changes};
use crate::store::Store;

/// The state behind the router, shared by all requests.
pub type AppState = Arc<App>;

/// The parts of a running server.
#[derive(Debug)]
pub struct App {
    /// Missions.
    pub store: Store,
    /// Where the specs are.
    pub specs_dir: PathBuf,
    /// The database that indexes them.
    pub specs_index: PathBuf,
    /// Room for answers that are not sent yet.
    pub answers: AnswerRoom,
    /// Mission events for WebSocket clients.
    pub hub: EventHub,
    /// Whether the database works.
    pub health: Health,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The key that clients must show.
    pub key: RwLock<ApiKey>,
    /// The file that the key came from.
    pub key_file: Option<PathBuf>,
    /// All bounds.
    pub limits: Limits,
    /// Whether `/metrics` answers clients from other machines too.
    pub metrics_public: bool,
    /// Turns true when the server is to stop.
    pub shutdown: watch::Receiver<bool>,
    /// What is broken on purpose.
    #[cfg(feature = "faults")]
    pub faults: Option<crate::faults::Faults>,
}

impl App {
    /// Takes over what has changed in the folder of specs. Blocks while it reads files.
    ///
    /// # Errors
    /// [`SpecsError`]; specs are then as they were before.
    pub fn reindex(&self) -> Result<Changes, SpecsError> {
        let changes = index::update(&self.specs_index, &self.specs_dir)?;
        if changes.is_new {
            self.store.reopen();
        }
        Ok(changes)
    }

    /// Reads the key file again, if the key came from one. False if it did not.
    ///
    /// # Errors
    /// [`ConfigError`]; the key is then as it was before.
    pub fn reload_key(&self) -> Result<bool, ConfigError> {
        let Some(path) = &self.key_file else {
            return Ok(false);
        };
        let key = config::read_key_file(path)?;
        *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(true)
    }

    /// Whether the `Authorization` header carries the key.
    pub fn authorizes(&self, headers: &HeaderMap) -> bool {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        key.authorizes(headers)
    }

    /// Whether this is the key.
    pub fn key_matches(&self, candidate: &str) -> bool {
        let key = self.key.read().unwrap_or_else(PoisonError::into_inner);
        key.matches(candidate.as_bytes())
    }
}
