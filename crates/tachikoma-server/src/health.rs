//! Whether the database can be read and written, asked rarely and answered often.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::store::{Store, StoreError};

/// For how long an answer holds.
const FRESH: Duration = Duration::from_secs(1);

/// How long a probe may take before the database counts as out of order.
const PATIENCE: Duration = Duration::from_secs(3);

/// Probes the database by a real write and a real read, at most once a second and only when
/// somebody asks: an idle server leaves the disk alone.
#[derive(Debug)]
pub struct Health {
    origin: Instant,
    /// Milliseconds from `origin` to the end of the last good probe, plus one; 0 for none.
    good_at: AtomicU64,
    /// Held by the one request that probes, while others wait for its result. It remembers when a
    /// probe failed last.
    probing: Mutex<Option<Instant>>,
}

impl Health {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            good_at: AtomicU64::new(0),
            probing: Mutex::new(None),
        }
    }

    /// True if the database could be written and read within the last second, or now.
    pub async fn check(&self, store: &Store) -> bool {
        if self.is_fresh() {
            return true;
        }
        let mut failed_at = self.probing.lock().await;
        if self.is_fresh() {
            return true;
        }
        if failed_at.is_some_and(|at| at.elapsed() < FRESH) {
            return false;
        }
        match tokio::time::timeout(PATIENCE, probe(store)).await {
            Ok(Ok(())) => {
                let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.good_at.store(now.saturating_add(1), Ordering::Relaxed);
                *failed_at = None;
                true
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "unhealthy: the database cannot be read and written");
                *failed_at = Some(Instant::now());
                false
            }
            Err(_) => {
                tracing::error!(
                    seconds = PATIENCE.as_secs(),
                    "unhealthy: the database is stuck"
                );
                *failed_at = Some(Instant::now());
                false
            }
        }
    }

    /// Time since the server started.
    pub fn uptime(&self) -> Duration {
        self.origin.elapsed()
    }

    fn is_fresh(&self) -> bool {
        let good_at = self.good_at.load(Ordering::Relaxed);
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        good_at > 0
            && now.saturating_sub(good_at) < u64::try_from(FRESH.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A full queue says that the database is busy, which is not yet the same as broken: it is if no
/// place falls free for as long as a probe may take.
async fn probe(store: &Store) -> Result<(), StoreError> {
    loop {
        match store.probe().await {
            Err(StoreError::Busy) => tokio::time::sleep(Duration::from_millis(20)).await,
            answer => return answer,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}
