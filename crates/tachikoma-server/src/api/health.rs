//! `GET /api/health`: whether the database can be read and written, asked rarely and answered
//! often. Who asks does not wait for the disk as long as the last answer was good a moment ago.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use tokio::sync::Mutex;

use super::answer::json;
use crate::app::AppState;
use crate::problem::{ApiResult, Problem};
use crate::store::Store;
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

/// Probes the database by a real write and a real read, at most once a second and only when
/// somebody asks: an idle server leaves the disk alone.
#[derive(Debug)]
pub struct Health {
    origin: Instant,
    /// Milliseconds from `origin` until which the last good probe holds; 0 for none.
    good_until: AtomicU64,
    /// Held by the one request that probes, while others wait for its result. It remembers until
    /// when the last bad probe holds.
    bad_until: Mutex<u64>,
}

impl Health {
    /// True if the database could be written and read a moment ago, or can be now.
    async fn check(&self, now: u64, app: &AppState) -> bool {
        let good_until = self.good_until.load(Ordering::Relaxed);
        if now < good_until {
            return true;
        }
        if good_until == 0 || now >= good_until + SERVES {
            return self.probe(&app.store).await;
        }
        if self.bad_until.try_lock().is_ok() {
            let app = app.clone();
            tokio::spawn(async move { app.health.probe(&app.store).await });
        }
        true
    }

    /// Asks the database, unless another request just has.
    async fn probe(&self, store: &Store) -> bool {
        let mut bad_until = self.bad_until.lock().await;
        let now = self.now();
        let is_good = now < self.good_until.load(Ordering::Relaxed);
        if is_good || now < *bad_until {
            return is_good;
        }
        let failure = match tokio::time::timeout(PATIENCE, store.probe()).await {
            Ok(Ok(())) => {
                self.good_until.store(self.now() + FRESH, Ordering::Relaxed);
                return true;
            }
            Ok(Err(problem)) => format!("{problem:?}"),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        tracing::error!(
            failure,
            "unhealthy: the database cannot be read and written"
        );
        self.good_until.store(0, Ordering::Relaxed);
        *bad_until = self.now() + FRESH;
        false
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Health {
    /// Nothing is known yet.
    fn default() -> Self {
        let (good_until, bad_until) = (AtomicU64::new(0), Mutex::new(0));
        Self {
            origin: Instant::now(),
            good_until,
            bad_until,
        }
    }
}
