//! `/debug/stacks`: where the server spends its CPU time, sampled by itself, for machines on which perf is not allowed to sample.
//!
//! Only in builds with the cargo feature `profiler`, which no release has. A POST begins, and a GET ends and is answered
//! with folded stacks, which flame graphs are made from; a HEAD tells that it can. All need the key, and are not counted
//! among the requests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use pprof::{Frames, ProfilerGuard, ProfilerGuardBuilder, UnresolvedReport};

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
        Method::HEAD => StatusCode::NO_CONTENT.into_response(),
        Method::POST => begin().await.into_response(),
        Method::GET => end().await.into_response(),
        _ => {
            let detail = "a POST begins to sample, and a GET ends it";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
        }
    }
}

async fn begin() -> ApiResult<StatusCode> {
    let begun = apart(|| {
        let mut sampling = SAMPLING.lock().unwrap_or_else(PoisonError::into_inner);
        if sampling.is_some() {
            return Ok(false);
        }
        prepare()?;
        *sampling = Some(ProfilerGuardBuilder::default().frequency(RATE).build()?);
        Ok(true)
    });
    match begun.await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => {
            let detail = "this server is being sampled already; a GET of this ends it";
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
    }
}

/// Has the first signal come here: its handler reads the tables that it unwinds with, for which it needs memory, and another
/// thread may just be asking for some.
fn prepare() -> anyhow::Result<()> {
    let _guard = ProfilerGuardBuilder::default().frequency(1).build()?;
    Ok(signal_hook::low_level::raise(signal_hook::consts::SIGPROF)?)
}

async fn end() -> ApiResult<String> {
    let folded = apart(|| {
        let mut sampling = SAMPLING.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(guard) = sampling.take() else {
            return Ok(None);
        };
        let seen = guard.report().build_unresolved()?;
        // To look up the names takes a while, which is not to be seen, and holds nobody up.
        drop((guard, sampling));
        Ok(Some(fold(seen)))
    });
    folded.await?.ok_or_else(|| {
        let detail = "this server is not being sampled; a POST of this begins";
        Problem::new(StatusCode::CONFLICT, detail)
    })
}

/// What `run` comes to, on a thread of its own: it takes a while. Why it failed is logged here.
async fn apart<T: Send + 'static>(
    run: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let done = tokio::task::spawn_blocking(run).await;
    done.map_err(Into::into)
        .and_then(|done| done)
        .map_err(|error| {
            tracing::error!("failed to sample: {error:#}");
            Problem::internal(error)
        })
}

/// A line for each stack: `outermost;...;innermost COUNT`.
fn fold(seen: UnresolvedReport) -> String {
    let mut counts: BTreeMap<String, isize> = BTreeMap::new();
    for (frames, count) in seen.data {
        *counts.entry(stack(&frames.into())).or_default() += count;
    }
    let lines = counts.iter();
    lines
        .map(|(stack, count)| format!("{stack} {count}\n"))
        .collect()
}

fn stack(frames: &Frames) -> String {
    // What is inlined stands before what it is inlined in.
    let symbols = frames.frames.iter().flatten().rev();
    let names: Vec<String> = symbols
        .map(|symbol| symbol.name().replace([';', '\n'], ","))
        .collect();
    names.join(";")
}
