//! A few threads that read, each with its own connections.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::{OpenError, StoreError, open};

/// What one reader thread has open.
pub struct ReadConnections {
    /// The database of missions.
    pub missions: Connection,
    /// The index of specs.
    pub specs: Connection,
}

type Job = Box<dyn FnOnce(&ReadConnections) + Send>;

impl ReadConnections {
    fn open([missions, specs]: [&Path; 2]) -> Result<Self, OpenError> {
        Ok(Self {
            missions: open::open_reader(missions)?,
            specs: open::open_reader(specs)?,
        })
    }
}

/// Tells all readers to open their connections again before the next job.
#[derive(Debug, Clone, Default)]
pub struct Reopen(Arc<AtomicU64>);

impl Reopen {
    /// Tells them.
    pub fn reopen(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }
}

/// The threads, behind one bounded queue.
#[derive(Debug)]
pub struct ReaderPool {
    jobs: mpsc::Sender<Job>,
    reopen: Reopen,
}

impl ReaderPool {
    /// Starts `threads` readers of the missions and the specs over a queue of `queue` jobs.
    ///
    /// # Errors
    /// [`OpenError`] if a connection or a thread cannot be had.
    pub fn start(
        files: [&Path; 2],
        threads: usize,
        queue: usize,
        reopen: Reopen,
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel::<Job>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        for index in 0..threads {
            let mut connections = ReadConnections::open(files)?;
            let (receiver, reopen) = (receiver.clone(), reopen.clone());
            let files = files.map(Path::to_owned);
            let mut opened = reopen.0.load(Ordering::Acquire);
            // One thread waits for the next job, the others for their turn to wait.
            let next = move || {
                let mut jobs = receiver.lock().unwrap_or_else(PoisonError::into_inner);
                jobs.blocking_recv()
            };
            std::thread::Builder::new()
                .name(format!("db-reader-{index}"))
                .spawn(move || {
                    while let Some(job) = next() {
                        let newest = reopen.0.load(Ordering::Acquire);
                        if newest != opened {
                            match ReadConnections::open([&files[0], &files[1]]) {
                                Ok(new) => (connections, opened) = (new, newest),
                                Err(error) => tracing::error!(%error, "failed to open again"),
                            }
                        }
                        job(&connections);
                    }
                })
                .map_err(OpenError::Thread)?;
        }
        Ok(Self {
            jobs: sender,
            reopen,
        })
    }

    /// Runs `read` on the next free reader.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if the queue is full, [`StoreError::Closed`] at the end, or what
    /// SQLite reports.
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadConnections) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |connections| {
            // Whoever asked may have run into a deadline while this waited.
            if !reply.is_closed() {
                let _ = reply.send(read(connections));
            }
        });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        Ok(answer.await.map_err(|_| StoreError::Closed)??)
    }

    /// Lets every reader open its connections again before its next job.
    pub fn reopen(&self) {
        self.reopen.reopen();
    }

    /// Jobs that wait for a reader.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}
