//! What every handler can reach.

use std::sync::Arc;

use tokio::sync::watch;

use crate::auth::ApiKey;
use crate::events::EventHub;
use crate::health::Health;
use crate::limits::Limits;
use crate::metrics::{DatabaseMetrics, Metrics};
use crate::specs::SpecSearch;
use crate::specs::files::SpecsError;
use crate::specs::index::Changes;
use crate::store::Store;

/// The state behind the router, shared by all requests.
pub type AppState = Arc<App>;

/// The parts of a running server.
#[derive(Debug)]
pub struct App {
    /// Missions.
    pub store: Store,
    /// Specs: their search and what it remembers.
    pub specs: SpecSearch,
    /// Mission events for WebSocket clients.
    pub hub: EventHub,
    /// Whether the database works.
    pub health: Health,
    /// What is counted about requests and sessions.
    pub metrics: Metrics,
    /// What is counted about the database.
    pub database_metrics: Arc<DatabaseMetrics>,
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
        let changes = self.specs.reindex()?;
        if changes.is_new {
            self.store.reopen_specs();
        }
        // Last, so that no search through an old file is remembered.
        self.specs.forget();
        Ok(changes)
    }
}
