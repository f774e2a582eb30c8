//! Faults at work.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rustix::time::{ClockId, clock_gettime};

use super::parse::{Fault, RouteFaults};
use super::units::WHOLE;
use crate::problem::Problem;
use crate::state::AppState;

/// Rides in the extensions of a response that must not be sent: its connection is closed instead.
#[derive(Debug, Clone, Copy)]
pub struct DropConnection;

/// The faults of a running server.
#[derive(Debug)]
pub struct Faults {
    routes: Vec<Active>,
    leaked: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug)]
struct Active {
    method: String,
    route: String,
    fault: Fault,
    errors: Share,
    drops: Share,
    once_done: AtomicBool,
}

impl Faults {
    /// Makes the faults ready.
    pub fn new(routes: Vec<RouteFaults>) -> Self {
        let routes = routes
            .into_iter()
            .map(
                |RouteFaults {
                     method,
                     route,
                     fault,
                 }| {
                    let begin = fault.seed.unwrap_or_else(drawn);
                    Active {
                        errors: Share::new(fault.error.unwrap_or(0), begin),
                        drops: Share::new(fault.drop.unwrap_or(0), begin),
                        method,
                        route,
                        fault,
                        once_done: AtomicBool::new(false),
                    }
                },
            )
            .collect();
        Self {
            routes,
            leaked: Mutex::new(Vec::new()),
        }
    }

    fn of(&self, method: &str, route: &str) -> Option<&Active> {
        self.routes.iter().find(|active| {
            active.route == route && (active.method == method || active.method == "*")
        })
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

/// A number that differs from process to process.
fn drawn() -> u32 {
    // The lower half is as random as the whole.
    RandomState::new().hash_one(()) as u32
}

/// Fires for a given share of calls, evenly spread: in any 100 calls at 2 % exactly twice. Where the first one lies is
/// random, so that many short runs have as many as a long one.
#[derive(Debug)]
struct Share {
    parts: u32,
    sum: AtomicU32,
}

impl Share {
    fn new(parts: u32, begin: u32) -> Self {
        Self {
            parts,
            sum: AtomicU32::new(begin % WHOLE),
        }
    }

    fn fires(&self) -> bool {
        if self.parts == 0 {
            return false;
        }
        let step = |sum| Some((sum + self.parts) % WHOLE);
        // The closure never declines, so both arms give the sum before the step.
        let before = match self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
        {
            Ok(before) | Err(before) => before,
        };
        before + self.parts >= WHOLE
    }
}

/// Latencies below this are slept by a thread.
const FINE: Duration = Duration::from_millis(5);

/// Does to a request what the faults of its route say.
pub async fn inject(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(faults) = &state.faults else {
        return next.run(request).await;
    };
    let template = request
        .extensions()
        .get::<MatchedPath>()
        .map(MatchedPath::as_str);
    let Some(active) = template.and_then(|route| faults.of(request.method().as_str(), route))
    else {
        return next.run(request).await;
    };
    let fault = &active.fault;
    if let Some(latency) = fault.latency {
        delay(latency).await;
    }
    if let Some(cpu) = fault.cpu {
        burn(cpu);
    }
    if let Some(bytes) = fault.leak {
        faults.keep(bytes);
    }
    if let Some(bytes) = fault.once
        && !active.once_done.swap(true, Ordering::Relaxed)
    {
        faults.keep(bytes);
    }
    if active.drops.fires() {
        let mut response = Response::default();
        response.extensions_mut().insert(DropConnection);
        return response;
    }
    if active.errors.fires() {
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "an injected fault")
            .into_response();
    }
    next.run(request).await
}

/// Waits; the runtime's timer only knows whole milliseconds, so a shorter time is slept by a thread of its pool.
async fn delay(latency: Duration) {
    if latency >= FINE {
        tokio::time::sleep(latency).await;
        return;
    }
    let _as_good_as_it_gets =
        tokio::task::spawn_blocking(move || std::thread::sleep(latency)).await;
}

/// Keeps this thread's CPU busy; time for which the thread does not run does not count.
fn burn(cpu: Duration) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or(0))
            + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
    };
    let end = now() + cpu;
    while now() < end {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact() {
        for (parts, calls, expected) in [
            (20_000, 100, 2),
            (10_000, 1_000, 10),
            (WHOLE, 10, 10),
            (0, 10, 0),
            (333_333, 9, 2),
        ] {
            let share = Share::new(parts, 0);
            let fired = (0..calls).filter(|_| share.fires()).count();
            assert_eq!(fired, expected, "{parts} parts in {calls} calls");
        }
    }

    #[test]
    fn short_runs_have_their_share_too() {
        // 0.3 % in 1,000 runs of 100 calls.
        let run = |begin: u32| {
            let share = Share::new(3_000, begin.wrapping_mul(2_654_435_761));
            (0..100).filter(|_| share.fires()).count()
        };
        let fired: usize = (0..1_000).map(run).sum();
        assert!((280..=320).contains(&fired), "{fired}");
    }
}
