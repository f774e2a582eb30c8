//! The parts of a running server, built in order, so that everything that can be wrong shows
//! before the port is open.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::watch;

use crate::api::answer::AnswerRoom;
use crate::api::health::Health;
use crate::auth::ApiKey;
use crate::cli::ServeArgs;
use crate::events::EventHub;
use crate::faults::Faults;
use crate::metrics::Metrics;
use crate::specs::index::{self, Changes};
use crate::store::{Store, open};

/// The state behind the router, shared by all requests.
pub type AppState = Arc<App>;

/// What every handler can reach.
#[derive(Debug)]
pub struct App {
    /// What the server was started with.
    pub args: ServeArgs,
    /// Missions and specs.
    pub store: Store,
    /// The database that indexes the specs.
    specs_index: PathBuf,
    /// Room for answers that are not sent yet.
    pub answers: AnswerRoom,
    /// Mission events for WebSocket clients.
    pub hub: EventHub,
    /// Whether the database works.
    pub health: Health,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The key that clients must show.
    key: RwLock<ApiKey>,
    /// Turns true when the server is to stop.
    pub shutdown: watch::Receiver<bool>,
    /// What is broken on purpose.
    pub faults: Faults,
}

impl App {
    /// Opens the database and indexes the specs. `shutdown` turns true when the server is to stop.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn start(
        args: ServeArgs,
        key: ApiKey,
        shutdown: watch::Receiver<bool>,
        faults: Faults,
    ) -> anyhow::Result<AppState> {
        let lock = open::lock(&args.data_dir)?;
        let specs_index = index::index_path(&args.data_dir);
        match index::update(&specs_index, &args.specs_dir) {
            Ok(changes) => {
                changes.log();
                if changes.total == 0 {
                    tracing::warn!(
                        path = %args.specs_dir.display(),
                        "the specs folder holds no file named like 010-name.md"
                    );
                }
            }
            Err(error)
                if specs_index.exists()
                    && error.downcast_ref().is_some_and(open::is_want_of_room) =>
            {
                tracing::error!("specs left as they were: {error:#}");
            }
            Err(error) => return Err(error),
        }
        let (hub, metrics) = (EventHub::default(), Arc::new(Metrics::default()));
        let store = Store::open(&args, &specs_index, lock, hub.clone(), metrics.clone())?;
        Ok(Arc::new(Self {
            store,
            specs_index,
            hub,
            health: Health::default(),
            metrics,
            answers: AnswerRoom::new(args.limits.max_answer_bytes),
            key: RwLock::new(key),
            args,
            shutdown,
            faults,
        }))
    }

    /// Takes over what has changed in the folder of specs. Blocks while it reads files.
    ///
    /// # Errors
    /// What is wrong with which file; specs are then as they were before.
    pub fn reindex(&self) -> anyhow::Result<Changes> {
        let changes = index::update(&self.specs_index, &self.args.specs_dir)?;
        if changes.is_new {
            self.store.reopen();
        }
        Ok(changes)
    }

    /// Reads the key file and the folder of specs again; what cannot be read stays as it was.
    pub fn reload(&self) {
        match self.args.api_key_file.as_deref().map(ApiKey::read_file) {
            Some(Ok(key)) => {
                *self.key.write().unwrap_or_else(PoisonError::into_inner) = key;
                tracing::info!("API key read again");
            }
            Some(Err(error)) => tracing::error!("API key left as it was: {error:#}"),
            None => {}
        }
        match self.reindex() {
            Ok(changes) => changes.log(),
            Err(error) => tracing::error!("specs left as they were: {error:#}"),
        }
    }

    /// The key that clients must show.
    pub fn key(&self) -> RwLockReadGuard<'_, ApiKey> {
        self.key.read().unwrap_or_else(PoisonError::into_inner)
    }
}
