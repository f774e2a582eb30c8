//! Faults at work.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, ensure};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use cpu_time::ThreadTime;

use super::{VARIABLE, parse};
use crate::app::AppState;
use crate::metrics::route_label;
use crate::problem::Problem;

/// Must be `1` for any fault to be injected.
const ALLOW_VARIABLE: &str = "TACHIKOMA_ALLOW_FAULTS";

/// Rides in the extensions of a response that must not be sent: its connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct DropConnection;

/// The faults of a running server.
#[derive(Debug, Default)]
pub struct Faults {
    routes: Vec<RouteFaults>,
    leaked: Mutex<Vec<Vec<u8>>>,
}

/// What is injected into each request of one route.
#[derive(Debug)]
pub(super) struct RouteFaults {
    /// The method, or `*`.
    pub method: String,
    /// The route template, such as `/api/missions/{id}`.
    pub route: String,
    /// Wait before the request is worked on.
    pub latency: Duration,
    /// CPU time that is burnt.
    pub cpu: Duration,
    /// Requests that are answered with 500 instead.
    pub errors: Share,
    /// Requests whose connection is closed without an answer.
    pub drops: Share,
    /// Bytes that are allocated, touched and never freed, for each request.
    pub leak: usize,
    /// The same, but for the first request only.
    pub once: usize,
    pub once_done: AtomicBool,
}

impl Faults {
    /// What the environment asks for, said as loudly as a log can.
    ///
    /// # Errors
    /// If it is not understood, or not meant.
    pub fn of_environment() -> anyhow::Result<Self> {
        let Some(text) = crate::variable(VARIABLE) else {
            tracing::warn!("this build can inject faults; it is not for use");
            return Ok(Self::default());
        };
        ensure!(
            crate::variable(ALLOW_VARIABLE).is_some_and(|allow| allow == "1"),
            "{VARIABLE} is set, but {ALLOW_VARIABLE} is not 1; \
             set it as well if this server is to break things on purpose"
        );
        let routes = parse::parse(&text).context(VARIABLE)?;
        for fault in &routes {
            tracing::warn!(
                ?fault,
                "FAULTS ARE INJECTED: no measurement of this server counts as one of a sound server"
            );
        }
        Ok(Self {
            routes,
            ..Self::default()
        })
    }

    /// Whether there are any.
    pub fn any(&self) -> bool {
        !self.routes.is_empty()
    }

    fn keep(&self, bytes: usize) {
        // Every page is written to, so that it counts as resident.
        let block = vec![0xa5; bytes];
        self.leaked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(block);
    }
}

/// Fires for a given share of calls, evenly spread: in any 100 calls at 2 % exactly twice. Where the first one lies is
/// drawn, so that many short runs have as many as a long one.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// The share in parts of [`WHOLE`].
    pub parts: u32,
    calls: AtomicU32,
}

/// All calls, in parts.
const WHOLE: u32 = 1_000_000;

impl Share {
    /// A share from 0 to 100 percent, in steps of 0.0001.
    pub fn of_percent(percent: f64) -> Option<Self> {
        let parts = (percent * 10_000.0).round();
        let is_known = (0.0..=f64::from(WHOLE)).contains(&parts) && (parts > 0.0 || percent == 0.0);
        is_known.then(|| Self {
            parts: parts as u32,
            // The lower half is as random as the whole.
            calls: AtomicU32::new(RandomState::new().hash_one(()) as u32 % WHOLE),
        })
    }

    /// Begins where `seed` says, the same for the same one.
    pub fn begin_at(&mut self, seed: u32) {
        self.calls = AtomicU32::new(seed % WHOLE);
    }

    fn fires(&self) -> bool {
        let calls = u64::from(self.calls.fetch_add(1, Ordering::Relaxed));
        let due = |calls: u64| calls * u64::from(self.parts) / u64::from(WHOLE);
        due(calls + 1) > due(calls)
    }
}

/// Does to a request what the faults of its route say.
pub async fn inject(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let route = route_label(request.uri().path());
    let method = request.method().as_str();
    let is_meant = |fault: &&RouteFaults| {
        fault.route == route && ["*", method].contains(&fault.method.as_str())
    };
    let Some(fault) = app.faults.routes.iter().find(is_meant) else {
        return next.run(request).await;
    };
    delay(fault.latency).await;
    burn(fault.cpu);
    app.faults.keep(fault.leak);
    if !fault.once_done.swap(true, Ordering::Relaxed) {
        app.faults.keep(fault.once);
    }
    if fault.drops.fires() {
        let mut response = Response::default();
        response.extensions_mut().insert(DropConnection);
        return response;
    }
    if fault.errors.fires() {
        let detail = "an injected fault";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response();
    }
    next.run(request).await
}

/// Waits. The runtime's timer only knows whole milliseconds, so a short time is slept by a thread
/// of its pool.
async fn delay(latency: Duration) {
    if latency >= Duration::from_millis(5) {
        tokio::time::sleep(latency).await;
    } else if !latency.is_zero() {
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(latency)).await;
    }
}

/// Keeps this thread's CPU busy; time for which the thread does not run does not count. Profiles are to name it, whatever the
/// build.
#[inline(never)]
fn burn(cpu: Duration) {
    if cpu.is_zero() {
        return;
    }
    let begun = ThreadTime::now();
    while begun.elapsed() < cpu {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact() {
        for (percent, calls, expected) in [
            (2.0, 100, 2),
            (1.0, 1_000, 10),
            (100.0, 10, 10),
            (0.0, 10, 0),
            (33.3333, 9, 2),
        ] {
            let mut share = Share::of_percent(percent).expect("a share");
            share.begin_at(0);
            let fired = (0..calls).filter(|_| share.fires()).count();
            assert_eq!(fired, expected, "{percent} % of {calls} calls");
        }
    }

    #[test]
    fn short_runs_have_their_share_too() {
        // 0.3 % of 1,000 runs of 100 calls each.
        let run = |_| {
            let share = Share::of_percent(0.3).expect("a share");
            (0..100).filter(|_| share.fires()).count()
        };
        let fired: usize = (0..1_000).map(run).sum();
        assert!((200..=400).contains(&fired), "{fired}");
    }
}
