//! What every handler can reach.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::ApiKey;
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
    /// Mission events for WebSocket clients.
    pub hub: EventHub,
    /// Whether the database works.
    pub health: Health,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The key that clients must show.
    pub key: ApiKey,
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
            self.store.reopen_specs();
        }
        Ok(changes)
    }
}
