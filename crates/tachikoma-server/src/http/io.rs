//! A connection that notices when its client stops cooperating.
//!
//! hyper's own header timeout also cuts off idle keep-alive connections, and sets up a timer for
//! each request. Here the connection only notes what it is waiting for and since when, and one
//! lazy timer for each connection looks at the notes when a limit could have run out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;

use crate::limits::Limits;

/// Bytes of an answer that a client has to take in each write timeout, if there are as many.
const LEAST_BYTES: u64 = 64 * 1024;

/// Between requests: nothing of the next one has come.
const IDLE: u8 = 0;
/// Some of a request's head has come.
const HEAD: u8 = 1;
/// A request is being worked on; it has a deadline of its own.
const BUSY: u8 = 2;

/// What a connection is waiting for, noted by its stream and its service.
#[derive(Debug)]
pub struct Progress {
    origin: Instant,
    phase: AtomicU8,
    /// Milliseconds from `origin` to when the phase began.
    since: AtomicU64,
    /// Milliseconds from `origin`, plus one, to when a write first met a full socket; else 0.
    blocked_since: AtomicU64,
    /// Bytes that the client has taken since then.
    taken: AtomicU64,
}

impl Progress {
    /// A connection that has just been accepted.
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
            // A client has as little time for its first byte as for the rest of a head.
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        }
    }

    /// A request's head has come in full.
    pub fn request_begins(&self) {
        self.phase.store(BUSY, Ordering::Relaxed);
    }

    /// The request is answered.
    pub fn request_ends(&self) {
        self.enter(IDLE);
    }

    /// How long the client may still take, or `None` if it has taken too long.
    pub fn remaining(&self, limits: &Limits) -> Option<Duration> {
        let now = self.now();
        let blocked = self.blocked_since.load(Ordering::Relaxed);
        let (since, limit) = match self.phase.load(Ordering::Relaxed) {
            _ if blocked > 0 => (blocked - 1, limits.write_timeout),
            IDLE => (self.since.load(Ordering::Relaxed), limits.idle_timeout),
            HEAD => (self.since.load(Ordering::Relaxed), limits.read_timeout),
            _ => (now, limits.shortest_patience()),
        };
        let waited = Duration::from_millis(now.saturating_sub(since));
        limit.checked_sub(waited).filter(|left| !left.is_zero())
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.now(), Ordering::Relaxed);
        self.phase.store(phase, Ordering::Relaxed);
    }

    fn received(&self) {
        if self.phase.load(Ordering::Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// Notes what became of a write. A client that reads a little now and then is no better than
    /// one that reads nothing.
    fn wrote(&self, answer: &Poll<io::Result<usize>>) {
        let is_blocked = self.blocked_since.load(Ordering::Relaxed) > 0;
        match answer {
            Poll::Pending if !is_blocked => {
                self.taken.store(0, Ordering::Relaxed);
                self.blocked_since.store(self.now() + 1, Ordering::Relaxed);
            }
            Poll::Ready(Ok(bytes)) if is_blocked => {
                let bytes = u64::try_from(*bytes).unwrap_or(u64::MAX);
                if self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes >= LEAST_BYTES {
                    self.flushed();
                }
            }
            _ => {}
        }
    }

    /// Nothing is left to be written.
    fn flushed(&self) {
        self.blocked_since.store(0, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

/// A stream that notes its progress, and holds its place among the connections for as long as it
/// lives, also after an upgrade to WebSocket.
pub struct Watched<T> {
    inner: T,
    progress: Arc<Progress>,
    _place: OwnedSemaphorePermit,
}

impl<T> Watched<T> {
    /// Watches `inner`.
    pub fn new(inner: T, progress: Arc<Progress>, place: OwnedSemaphorePermit) -> Self {
        Self {
            inner,
            progress,
            _place: place,
        }
    }
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
    use super::*;

    #[test]
    fn each_phase_has_its_own_limit() {
        let limits = Limits {
            idle_timeout: Duration::from_secs(100),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(20),
            ..Limits::default()
        };
        let left =
            |progress: &Progress| progress.remaining(&limits).map(|d| d.as_secs_f64().round());
        let progress = Progress::new();
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
        let none = Limits {
            idle_timeout: Duration::ZERO,
            ..limits
        };
        assert_eq!(progress.remaining(&none), None);
    }
}
