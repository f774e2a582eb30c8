//! A connection that notices when its client stops cooperating.
//!
//! hyper's own header timeout also cuts off idle keep-alive connections, and sets up a timer for
//! each request. Here the connection only notes what it is waiting for and since when, and one
//! lazy timer for each connection looks at the notes when a limit could have run out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::Limits;
use crate::metrics::Counted;

/// Bytes of an answer that a client has to take in each write timeout, if there are as many.
const LEAST_BYTES: usize = 64 * 1024;

/// What a connection is waiting for, noted by its stream and its service.
#[derive(Debug)]
pub struct Progress(Mutex<State>);

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When the phase began.
    since: Instant,
    /// When a write first met a full socket, and how many bytes the client has taken since then.
    blocked: Option<(Instant, usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between requests: nothing of the next one has come.
    Idle,
    /// Some of a request's head has come.
    Head,
    /// A request is being worked on; it has a deadline of its own.
    Busy,
}

impl Default for Progress {
    /// A connection that has just been accepted.
    fn default() -> Self {
        Self(Mutex::new(State {
            // A client has as little time for its first byte as for the rest of a head.
            phase: Phase::Head,
            since: Instant::now(),
            blocked: None,
        }))
    }
}

impl Progress {
    /// A request's head has come in full.
    pub fn request_begins(&self) {
        self.lock().phase = Phase::Busy;
    }

    /// The request is answered.
    pub fn request_ends(&self) {
        self.lock().enter(Phase::Idle);
    }

    /// How long the client may still take, or `None` if it has taken too long.
    pub fn remaining(&self, limits: &Limits) -> Option<Duration> {
        let state = self.lock();
        let (since, limit) = match (state.blocked, state.phase) {
            (Some((since, _)), _) => (since, limits.write_timeout),
            (None, Phase::Idle) => (state.since, limits.idle_timeout),
            (None, Phase::Head) => (state.since, limits.read_timeout),
            (None, Phase::Busy) => return Some(limits.shortest_patience()),
        };
        limit
            .checked_sub(since.elapsed())
            .filter(|left| !left.is_zero())
    }

    fn received(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Idle {
            state.enter(Phase::Head);
        }
    }

    /// Notes what became of a write. A client that reads a little now and then is no better than
    /// one that reads nothing.
    fn wrote(&self, answer: &Poll<io::Result<usize>>) {
        let mut state = self.lock();
        state.blocked = match (answer, state.blocked) {
            (Poll::Pending, None) => Some((Instant::now(), 0)),
            (Poll::Ready(Ok(bytes)), Some((since, taken))) => {
                Some((since, taken + bytes)).filter(|(_, taken)| *taken < LEAST_BYTES)
            }
            (_, blocked) => blocked,
        };
    }

    /// Nothing is left to be written.
    fn flushed(&self) {
        self.lock().blocked = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, Instant::now());
    }
}

/// A stream that notes its progress, and holds its place among the connections for as long as it
/// lives, also after an upgrade to WebSocket.
pub struct Watched<T> {
    /// What is watched.
    pub inner: T,
    /// Where it is noted.
    pub progress: Arc<Progress>,
    /// The connection's place, and that it is counted as open.
    pub place: (OwnedSemaphorePermit, Counted),
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let answer = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if answer.is_ready() && buffer.filled().len() > before {
            self.progress.received();
        }
        answer
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.progress.wrote(&answer);
        answer
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let answer = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.progress.wrote(&answer);
        answer
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // HTTP flushes only once it has handed over every byte of an answer.
        self.progress.flushed();
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::ServeArgs;

    #[test]
    fn each_phase_has_its_own_limit() {
        let options = "--idle-timeout 100s --read-timeout 10s --write-timeout 20s";
        let args = options.split(' ');
        let mut limits = ServeArgs::parse_from(std::iter::once("").chain(args)).limits;
        let left = |progress: &Progress| {
            let left = progress.remaining(&limits);
            left.map(|left| left.as_secs_f64().round())
        };
        let progress = Progress::default();
        assert_eq!(left(&progress), Some(10.0), "nothing has come");
        progress.received();
        assert_eq!(left(&progress), Some(10.0));
        progress.request_begins();
        progress.received();
        assert_eq!(left(&progress), Some(10.0), "a body is no new head");
        progress.request_ends();
        assert_eq!(left(&progress), Some(100.0));
        progress.received();
        assert_eq!(left(&progress), Some(10.0), "the next head");
        progress.request_ends();
        progress.wrote(&Poll::Pending);
        assert_eq!(left(&progress), Some(20.0));
        progress.wrote(&Poll::Ready(Ok(1)));
        assert_eq!(left(&progress), Some(20.0), "a byte is not enough");
        progress.wrote(&Poll::Ready(Ok(64 * 1024)));
        assert_eq!(left(&progress), Some(100.0));
        progress.wrote(&Poll::Pending);
        progress.flushed();
        assert_eq!(left(&progress), Some(100.0));
        limits.idle_timeout = Duration::ZERO;
        assert_eq!(progress.remaining(&limits), None);
    }
}
