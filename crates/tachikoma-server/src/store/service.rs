//! The store as the handlers see it.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::lock::DirectoryLock;
use super::reader::{ReadConnections, ReaderPool, Reopen};
use super::ticket::Ticket;
use super::writer::{Write, WriteRequest, WriteResult, Writer};
use super::{OpenError, StoreError, missions, open};
use crate::events::EventHub;
use crate::metrics::Metrics;
use crate::mission::{Mission, MissionPatch, NewMission};

/// How to open a store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The index of specs, which the readers open beside the missions.
    pub specs_index: PathBuf,
    /// Reader threads.
    pub readers: usize,
    /// Requests that may wait for the writer, and jobs that may wait for a reader.
    pub queue: usize,
}

/// Missions on disk. Dropping it ends the writer thread in good order, after the last write.
#[derive(Debug)]
pub struct Store {
    /// `None` only while the store is being dropped.
    writes: Option<mpsc::Sender<WriteRequest>>,
    writer_thread: Option<JoinHandle<()>>,
    readers: ReaderPool,
    _lock: DirectoryLock,
}

impl Store {
    /// Opens the store, with `lock` as the proof that nobody else has it open.
    ///
    /// # Errors
    /// [`OpenError`], which says what to do.
    pub fn open(
        options: &StoreOptions,
        lock: DirectoryLock,
        hub: EventHub,
        metrics: Arc<Metrics>,
    ) -> Result<Self, OpenError> {
        let database = open::database_path(&options.data_dir);
        let reopen = Reopen::default();
        // First, because it makes what is missing.
        let writer = Writer::new(database.clone(), hub, metrics, reopen.clone())?;
        let readers = ReaderPool::start(
            [&database, &options.specs_index],
            options.readers,
            options.queue,
            reopen,
        )?;
        let (sender, receiver) = mpsc::channel(options.queue);
        let thread = std::thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            writes: Some(sender),
            writer_thread: Some(thread),
            readers,
            _lock: lock,
        })
    }

    /// Adds a mission; it is on disk when this returns. With an idempotency `key` that was used
    /// before, the mission of then is given and none is added.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(
        &self,
        new: NewMission,
        key: Option<String>,
        ticket: Ticket,
    ) -> Result<Mission, StoreError> {
        self.write(Write::Create(new, key), ticket)
            .await?
            .ok_or(StoreError::Closed)
    }

    /// Changes a mission; `None` if there is no such mission.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update(&self, id: Uuid, patch: MissionPatch, ticket: Ticket) -> WriteResult {
        self.write(Write::Update(id, patch), ticket).await
    }

    /// Deletes a mission; `None` if there is no such mission.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, id: Uuid, ticket: Ticket) -> WriteResult {
        self.write(Write::Delete(id), ticket).await
    }

    /// Runs any read on one of the reader threads.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&ReadConnections) -> rusqlite::Result<T> + Send + 'static,
    {
        self.readers.read(read).await
    }

    /// Lets the readers open the databases again, because one is another file now.
    pub fn reopen(&self) {
        self.readers.reopen();
    }

    /// Writes and reads for the sake of it.
    ///
    /// # Errors
    /// [`StoreError`], also if the files are no longer those that were opened.
    pub async fn probe(&self) -> Result<(), StoreError> {
        self.write(Write::Probe, Ticket::default()).await?;
        self.read(|connections| missions::list(&connections.missions, None, 1))
            .await?;
        Ok(())
    }

    /// Requests that wait for the writer, and jobs that wait for a reader.
    pub fn queued(&self) -> (usize, usize) {
        (
            self.writes
                .as_ref()
                .map_or(0, |writes| writes.max_capacity() - writes.capacity()),
            self.readers.queued(),
        )
    }

    async fn write(&self, write: Write, ticket: Ticket) -> WriteResult {
        let (reply, answer) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or(StoreError::Closed)?;
        let request = WriteRequest {
            write,
            ticket,
            reply,
        };
        writes.try_send(request).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The writer's loop ends once the queue is empty and its only sender is gone.
        drop(self.writes.take());
        if let Some(thread) = self.writer_thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the database's writer thread panicked");
        }
    }
}
