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

/// The threads, behind one bounded queue.
#[derive(Debug)]
pub struct ReaderPool {
    jobs: mpsc::Sender<Job>,
    /// How often the index of specs became another file.
    specs_files: Arc<AtomicU64>,
}

impl ReaderPool {
    /// Starts `threads` readers over a queue of `queue` jobs.
    ///
    /// # Errors
    /// [`OpenError`] if a connection or a thread cannot be had.
    pub fn start(
        missions: &Path,
        specs: &Path,
        threads: usize,
        queue: usize,
    ) -> Result<Self, OpenError> {
        let (sender, receiver) = mpsc::channel::<Job>(queue);
        let receiver = Arc::new(Mutex::new(receiver));
        let specs_files = Arc::new(AtomicU64::new(0));
        for index in 0..threads {
            let mut connections = ReadConnections {
                missions: open::open_reader(missions)?,
                specs: open::open_reader(specs)?,
            };
            let receiver = receiver.clone();
            // One thread waits for the next job, the others for their turn to wait.
            let next = move || {
                let mut jobs = receiver.lock().unwrap_or_else(PoisonError::into_inner);
                jobs.blocking_recv()
            };
            let (specs, specs_files) = (specs.to_owned(), specs_files.clone());
            std::thread::Builder::new()
                .name(format!("db-reader-{index}"))
                .spawn(move || {
                    let mut opened = 0;
                    while let Some(job) = next() {
                        let newest = specs_files.load(Ordering::Acquire);
                        if newest != opened && reopen(&specs, &mut connections.specs) {
                            opened = newest;
                        }
                        job(&connections);
                    }
                })
                .map_err(OpenError::Thread)?;
        }
        Ok(Self {
            jobs: sender,
            specs_files,
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

    /// Lets every reader open the index of specs again before its next job.
    pub fn reopen_specs(&self) {
        self.specs_files.fetch_add(1, Ordering::Release);
    }

    /// Jobs that wait for a reader.
    pub fn queued(&self) -> usize {
        self.jobs.max_capacity() - self.jobs.capacity()
    }
}

/// Opens the index of specs again; the old connection stays if that fails.
fn reopen(path: &Path, connection: &mut Connection) -> bool {
    match open::open_reader(path) {
        Ok(new) => {
            *connection = new;
            true
        }
        Err(error) => {
            tracing::error!(%error, "the new index of specs cannot be opened; trying again");
            false
        }
    }
}
