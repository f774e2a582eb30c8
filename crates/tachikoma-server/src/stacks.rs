//! `/debug/stacks`: where the server spends its CPU time, sampled by itself, for machines on which perf may not look.
//!
//! Only in builds with the cargo feature `profiler`, which no release has. A POST begins, and a GET ends and is answered
//! with folded stacks, which flame graphs are made from. Both need the key, and are not counted among the requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder};

use crate::app::App;
use crate::problem::{ApiResult, Problem};

/// The path.
pub const PATH: &str = "/debug/stacks";

/// Samples for a second of CPU time, where the kernel's tick lets as many be taken.
const RATE: i32 = 499;

/// What samples this process, if it is being sampled.
static SAMPLING: Mutex<Option<ProfilerGuard<'static>>> = Mutex::new(None);

/// Begins or ends the sampling, by a request's head.
pub async fn answer(app: &App, method: &Method, headers: &HeaderMap) -> Response {
    if !app.key().authorizes(headers) {
        return Problem::unauthorized().into_response();
    }
    match *method {
        Method::POST => begin().into_response(),
        Method::GET => end().await.into_response(),
        _ => {
            let detail = "a POST begins to sample, and a GET ends it";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
        }
    }
}

fn begin() -> ApiResult<StatusCode> {
    let mut sampling = SAMPLING.lock().unwrap_or_else(PoisonError::into_inner);
    if sampling.is_some() {
        let detail = "this server is being sampled already; a GET of this ends it";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let guard = ProfilerGuardBuilder::default().frequency(RATE).build();
    *sampling = Some(guard.map_err(Problem::internal)?);
    Ok(StatusCode::NO_CONTENT)
}

async fn end() -> ApiResult<String> {
    let sampling = SAMPLING
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(guard) = sampling else {
        let detail = "this server is not being sampled; a POST of this begins";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let folded = tokio::task::spawn_blocking(move || fold(guard)).await;
    folded
        .map_err(Problem::internal)?
        .map_err(Problem::internal)
}

/// A line for each stack: `outermost;...;innermost COUNT`.
fn fold(guard: ProfilerGuard<'_>) -> Result<String, pprof::Error> {
    let seen = guard.report().build_unresolved()?;
    // To look up the names takes a while, which is not to be seen.
    drop(guard);
    let mut counts: BTreeMap<String, isize> = BTreeMap::new();
    for (frames, count) in seen.data {
        *counts.entry(stack(&frames.into())).or_default() += count;
    }
    let lines = counts.iter();
    Ok(lines
        .map(|(stack, count)| format!("{stack} {count}\n"))
        .collect())
}

fn stack(frames: &Frames) -> String {
    // What is inlined stands before what it is inlined in.
    let symbols = frames.frames.iter().flatten().rev();
    let names: Vec<String> = symbols
        .map(|symbol| symbol.name().replace([';', '\n'], ","))
        .collect();
    names.join(";")
}
