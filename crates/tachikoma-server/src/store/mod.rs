//! What must survive: missions, in one SQLite database in the data directory.
//!
//! One thread writes and commits in groups ([`writer`]), a few threads read; the request handlers
//! only ever wait for them. Write-ahead logging lets readers and the writer work side by side, and
//! `synchronous=FULL` puts a mission on disk before its 201 is sent.

pub mod files;
pub mod ids;
pub mod missions;
pub mod open;
pub mod schema;
pub mod writer;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::Context;
use rusqlite::Connection;
use tokio::sync::mpsc::{self, Permit};
use tokio::sync::oneshot;

use self::writer::{Ticket, Write, WriteRequest, WriteResult, Writer};
use crate::cli::ServeArgs;
use crate::events::EventHub;
use crate::metrics::Metrics;
use crate::problem::{ApiResult, Problem};

/// Missions and specs on disk. Dropping it ends the writer in good order, after the last write.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the writer ends once its queue is empty and its only sender is gone.
    writes: mpsc::Sender<WriteRequest>,
    _writer: Joined,
    reads: mpsc::Sender<Read>,
    generation: Generation,
    _lock: File,
}

/// Counts how often the databases have become other files; readers open them again then.
type Generation = Arc<AtomicU64>;

/// What runs on a reader's connections.
type Read = Box<dyn FnOnce(&ReadConnections) + Send>;

/// What one reader thread has open.
pub struct ReadConnections {
    /// The database of missions.
    pub missions: Connection,
    /// The index of specs.
    pub specs: Connection,
}

impl ReadConnections {
    fn open([missions, specs]: &[PathBuf; 2]) -> anyhow::Result<Self> {
        Ok(Self {
            missions: open::open_reader(missions)?,
            specs: open::open_reader(specs)?,
        })
    }
}

impl Store {
    /// Opens the missions and the index of `specs`, with `lock` as the proof that nobody else has
    /// them open.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn open(
        args: &ServeArgs,
        specs: &Path,
        lock: File,
        hub: EventHub,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        let files = [open::database_path(&args.data_dir), specs.to_owned()];
        let generation = Generation::default();
        // First, because it makes what is missing.
        let writer = Writer::new(files[0].clone(), hub, metrics, generation.clone())?;
        let (writes, requests) = mpsc::channel(args.limits.max_queue);
        let (reads, jobs) = mpsc::channel(args.limits.max_queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..args.limits.readers {
            let connections = ReadConnections::open(&files)?;
            let (files, jobs, generation) = (files.clone(), jobs.clone(), generation.clone());
            spawn("db-reader", move || {
                read(connections, &files, &jobs, &generation);
            })?;
        }
        let writer = spawn("db-writer", move || writer.run(requests))?;
        let _writer = Joined(Some(writer));
        Ok(Self {
            writes,
            _writer,
            reads,
            generation,
            _lock: lock,
        })
    }

    /// Has something written, with the ticket of the request that this task answers
    /// ([`Ticket::with`]). It is on disk when this returns, unless the error is that it is not.
    ///
    /// # Errors
    /// 503 if the queue is full or the database cannot be written, 409 or 500 as the writer says.
    pub async fn write(&self, write: Write) -> WriteResult {
        let place = self.writes.try_reserve().map_err(|_| Problem::busy())?;
        write_at(place, write, Ticket::of_request()).await
    }

    /// Runs any read on the next free reader.
    ///
    /// # Errors
    /// 503 if the queue is full, or what became of SQLite's error.
    pub async fn read<T, F>(&self, read: F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&ReadConnections) -> rusqlite::Result<T> + Send + 'static,
    {
        let place = self.reads.try_reserve().map_err(|_| Problem::busy())?;
        read_at(place, read).await
    }

    /// Lets the readers open the databases again, because one is another file now.
    pub fn reopen(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Writes and reads for the sake of it, and waits for its turn if the queues are full: the
    /// database is busy then, which is not yet the same as broken.
    ///
    /// # Errors
    /// If it cannot be done, also because the files are no longer those that were opened.
    pub async fn probe(&self) -> ApiResult<()> {
        let stopping = |_| Problem::stopping();
        let place = self.writes.reserve().await.map_err(stopping)?;
        write_at(place, Write::Probe, Ticket::default()).await?;
        let place = self.reads.reserve().await.map_err(stopping)?;
        let read = read_at(place, |it| missions::list(&it.missions, None, 1));
        read.await.map(drop)
    }

    /// Requests that wait for the writer, and reads that wait for a reader.
    pub fn queued(&self) -> (usize, usize) {
        (
            self.writes.max_capacity() - self.writes.capacity(),
            self.reads.max_capacity() - self.reads.capacity(),
        )
    }
}

async fn write_at(place: Permit<'_, WriteRequest>, write: Write, ticket: Ticket) -> WriteResult {
    let (reply, answer) = oneshot::channel();
    place.send(WriteRequest {
        write,
        ticket,
        reply,
    });
    answer.await.map_err(|_| Problem::stopping())?
}

async fn read_at<T: Send + 'static>(
    place: Permit<'_, Read>,
    read: impl FnOnce(&ReadConnections) -> rusqlite::Result<T> + Send + 'static,
) -> ApiResult<T> {
    let (reply, answer) = oneshot::channel();
    place.send(Box::new(move |connections| {
        // Whoever asked may have run into a deadline while this waited.
        if !reply.is_closed() {
            let _ = reply.send(read(connections));
        }
    }));
    Ok(answer.await.map_err(|_| Problem::stopping())??)
}

fn read(
    mut connections: ReadConnections,
    files: &[PathBuf; 2],
    jobs: &Mutex<mpsc::Receiver<Read>>,
    generation: &Generation,
) {
    let mut opened = 0;
    // One thread waits for the next job, the others for their turn to wait.
    let next = || {
        let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.blocking_recv()
    };
    while let Some(job) = next() {
        let newest = generation.load(Ordering::Acquire);
        if newest != opened {
            match ReadConnections::open(files) {
                Ok(new) => (connections, opened) = (new, newest),
                Err(error) => tracing::error!("failed to open again: {error:#}"),
            }
        }
        job(&connections);
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> anyhow::Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.context("failed to start a database thread")
}

/// A thread that has ended once this is dropped.
#[derive(Debug)]
struct Joined(Option<JoinHandle<()>>);

impl Drop for Joined {
    fn drop(&mut self) {
        if self.0.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the database's writer thread panicked");
        }
    }
}
