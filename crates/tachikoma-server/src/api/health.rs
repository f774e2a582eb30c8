//! `GET /api/health`: whether the database can be read and written, asked rarely and answered
//! often. Who asks does not wait for the disk as long as the last answer was good a moment ago.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::answer::json;
use crate::app::AppState;
use crate::problem::{ApiResult, Problem};
use crate::{SERVICE, VERSION};

/// A healthy server's answer.
#[derive(Serialize)]
struct Healthy {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    /// Whole seconds since the server started.
    uptime_seconds: u64,
    /// There, and true, only if this server breaks things on purpose.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    faults: bool,
}

/// Whether the server works: its database can be written and read.
pub async fn health(State(app): State<AppState>) -> ApiResult<Response> {
    let now = app.health.now();
    if !app.health.check(now, &app).await {
        return Err(Problem::unavailable(
            "the database cannot be read and written",
        ));
    }
    let body = serde_json::to_vec(&Healthy {
        status: "healthy",
        service: SERVICE,
        version: VERSION,
        uptime_seconds: now / 1_000,
        faults: app.faults.any(),
    });
    Ok(json(
        StatusCode::OK,
        body.map_err(Problem::internal)?.into(),
    ))
}

/// For how long an answer of the database holds, in milliseconds.
const FRESH: u64 = 1_000;

/// For how long after that it still serves while the database is asked anew, in milliseconds: on a
/// busy machine a flush takes far longer than a request should.
const SERVES: u64 = 2_000;

/// How long a probe may take before the database counts as out of order.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the one who begins a probe waits for it as long as the last answer still serves.
const QUICK: Duration = Duration::from_millis(100);

/// Probes the database by a real write and a real read, at most once a second and only when
/// somebody asks: an idle server leaves the disk alone.
#[derive(Debug)]
pub struct Health {
    origin: Instant,
    /// Milliseconds from `origin` until which the last good probe holds; 0 for none.
    good_until: AtomicU64,
    /// Held by the one probe at a time. It remembers until when the last bad one holds.
    bad_until: Arc<Mutex<u64>>,
}

impl Health {
    /// True if the database could be written and read a moment ago, or can be now.
    async fn check(&self, now: u64, app: &AppState) -> bool {
        let good_until = self.good_until.load(Ordering::Relaxed);
        if now < good_until {
            return true;
        }
        let serves = good_until > 0 && now < good_until + SERVES;
        match self.bad_until.clone().try_lock_owned() {
            Ok(bad_until) if now < *bad_until => return false,
            // A task of its own: it ends also if the one who asks goes away.
            Ok(bad_until) => drop(tokio::spawn(probe(app.clone(), bad_until))),
            Err(_) if serves => return true,
            Err(_) => {}
        }
        let patience = if serves { QUICK } else { PATIENCE };
        match tokio::time::timeout(patience, self.bad_until.lock()).await {
            // Whoever wakes up late, on a busy machine, has a good answer all the same.
            Ok(_) => {
                let good_until = self.good_until.load(Ordering::Relaxed);
                good_until > 0 && self.now() < good_until + SERVES
            }
            Err(_) => serves,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Asks the database, and notes until when the answer holds.
async fn probe(app: AppState, mut bad_until: OwnedMutexGuard<u64>) {
    let health = &app.health;
    let failure = match tokio::time::timeout(PATIENCE, app.store.probe()).await {
        Ok(Ok(())) => {
            let good_until = health.now() + FRESH;
            return health.good_until.store(good_until, Ordering::Relaxed);
        }
        Ok(Err(problem)) => format!("{problem:?}"),
        Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
    };
    tracing::error!(
        failure,
        "unhealthy: the database cannot be read and written"
    );
    health.good_until.store(0, Ordering::Relaxed);
    *bad_until = health.now() + FRESH;
}

impl Default for Health {
    /// Nothing is known yet.
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            good_until: AtomicU64::default(),
            bad_until: Arc::default(),
        }
    }
}
