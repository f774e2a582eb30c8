//! The store as the handlers see it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::lock::DirectoryLock;
use super::reader::{ReadConnections, ReaderPool};
use super::writer::{Write, WriteRequest, Writer};
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
    database: PathBuf,
    /// Device and inode of the database file, to notice that it was moved away.
    identity: (u64, u64),
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
        let connection = open::open_writer(&database)?;
        let readers = ReaderPool::start(
            &database,
            &options.specs_index,
            options.readers,
            options.queue,
        )?;
        let writer = Writer::new(connection, hub, metrics)
            .map_err(|source| OpenError::from_sqlite(&database, source))?;
        let identity = identity(&database).map_err(|source| OpenError::Directory {
            path: database.clone(),
            source,
        })?;
        let (sender, receiver) = mpsc::channel(options.queue);
        let thread = std::thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || writer.run(receiver))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            writes: Some(sender),
            writer_thread: Some(thread),
            readers,
            database,
            identity,
            _lock: lock,
        })
    }

    /// Adds a mission; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create(&self, new: NewMission) -> Result<Mission, StoreError> {
        self.write(Write::Create(new))
            .await?
            .ok_or(StoreError::Closed)
    }

    /// Changes a mission; `None` if there is no such mission.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn update(
        &self,
        id: Uuid,
        patch: MissionPatch,
    ) -> Result<Option<Mission>, StoreError> {
        self.write(Write::Update(id, patch)).await
    }

    /// Deletes a mission; `None` if there is no such mission.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, id: Uuid) -> Result<Option<Mission>, StoreError> {
        self.write(Write::Delete(id)).await
    }

    /// One mission; `None` if there is no such mission.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, id: Uuid) -> Result<Option<Mission>, StoreError> {
        self.read(move |connections| missions::get(&connections.missions, id))
            .await
    }

    /// At most `limit` missions, newest first, all older than `before`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(
        &self,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Mission>, StoreError> {
        self.read(move |connections| missions::list(&connections.missions, before, limit))
            .await
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

    /// Lets the readers open the index of specs again, because it is another file now.
    pub fn reopen_specs(&self) {
        self.readers.reopen_specs();
    }

    /// Writes and reads for the sake of it.
    ///
    /// # Errors
    /// [`StoreError`], also if the file is no longer the one that was opened.
    pub async fn probe(&self) -> Result<(), StoreError> {
        if identity(&self.database).ok() != Some(self.identity) {
            return Err(StoreError::Vanished);
        }
        self.write(Write::Probe).await?;
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

    async fn write(&self, write: Write) -> Result<Option<Mission>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let writes = self.writes.as_ref().ok_or(StoreError::Closed)?;
        writes
            .try_send(WriteRequest { write, reply })
            .map_err(|error| match error {
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

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}
