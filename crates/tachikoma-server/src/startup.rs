//! Builds the parts of a server in order, so that everything that can be wrong shows before the
//! port is open.

use std::sync::{Arc, RwLock};

use tokio::sync::watch;

use crate::api::answer::AnswerRoom;
use crate::config::Config;
use crate::events::EventHub;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::specs::files::SpecsError;
use crate::specs::index;
use crate::state::{App, AppState};
use crate::store::error::is_want_of_room;
use crate::store::lock::DirectoryLock;
use crate::store::{OpenError, Store, StoreOptions};

/// Why a server does not start. Every message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory or the database in it.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The specs.
    #[error(transparent)]
    Specs(#[from] SpecsError),
    /// The port.
    #[error(
        "failed to listen on {addr}: {source}; \
         stop the program that uses it, or give another address with --addr"
    )]
    Listen {
        /// The address asked for.
        addr: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Opens the database and indexes the specs. `shutdown` turns true when the server is to stop.
///
/// # Errors
/// [`StartError`].
pub fn build(config: &Config, shutdown: watch::Receiver<bool>) -> Result<AppState, StartError> {
    let lock = DirectoryLock::take(&config.data_dir)?;
    let specs_index = index::index_path(&config.data_dir);
    let changes = match index::update(&specs_index, &config.specs_dir) {
        Err(SpecsError::Index { source, .. })
            if is_want_of_room(&source) && specs_index.exists() =>
        {
            tracing::error!(error = %source, "specs left as they were");
            None
        }
        changes => Some(changes?),
    };
    if let Some(changes) = changes {
        tracing::info!(
            total = changes.total,
            read = changes.read,
            removed = changes.removed,
            "specs indexed"
        );
    }
    if changes.is_some_and(|changes| changes.total == 0) {
        tracing::warn!(
            path = %config.specs_dir.display(),
            "the specs folder holds no file named like 010-name.md"
        );
    }
    let hub = EventHub::new();
    let metrics = Arc::new(Metrics::new());
    let options = StoreOptions {
        data_dir: config.data_dir.clone(),
        specs_index: specs_index.clone(),
        readers: config.limits.readers,
        queue: config.limits.max_queue,
    };
    let store = Store::open(&options, lock, hub.clone(), metrics.clone())?;
    Ok(Arc::new(App {
        store,
        specs_dir: config.specs_dir.clone(),
        specs_index,
        hub,
        health: Health::new(),
        metrics,
        answers: AnswerRoom::new(config.limits.max_answer_bytes),
        key: RwLock::new(config.key.clone()),
        key_file: config.key_file.clone(),
        limits: config.limits.clone(),
        metrics_public: config.metrics_public,
        shutdown,
        #[cfg(feature = "faults")]
        faults: faults(config),
    }))
}

/// Says as loudly as a log can that this server breaks things on purpose.
#[cfg(feature = "faults")]
fn faults(config: &Config) -> Option<crate::faults::Faults> {
    if config.faults.is_empty() {
        tracing::warn!("this build can inject faults; it is not for use");
        return None;
    }
    for route in &config.faults {
        tracing::warn!(
            method = %route.method,
            route = %route.route,
            fault = ?route.fault,
            "FAULTS ARE INJECTED: no measurement of this server counts as one of a sound server"
        );
    }
    Some(crate::faults::Faults::new(config.faults.clone()))
}
