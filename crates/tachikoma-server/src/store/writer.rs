//! The one thread that writes, with group commit.
//!
//! A commit costs a flush of the disk, whatever the number of rows in it. So the thread takes all
//! requests that came in while the last flush ran, puts them into one transaction, and answers
//! them together once that is on disk.

use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::ids::IdGenerator;
use super::{StoreError, missions};
use crate::events::{EventHub, MissionEvent};
use crate::metrics::Metrics;
use crate::mission::{Mission, MissionPatch, MissionStatus, NewMission};
use crate::timestamp::Timestamp;

/// Most requests in one transaction: bounds the time that the first of them waits for the rest.
const BATCH_MAX: usize = 512;

/// What a request wants written.
#[derive(Debug)]
pub enum Write {
    /// A new mission.
    Create(NewMission),
    /// Other values for some fields of a mission.
    Update(Uuid, MissionPatch),
    /// The end of a mission.
    Delete(Uuid),
    /// A row of no meaning, to see whether the database can be written.
    Probe,
}

/// A write and the one who waits for it.
#[derive(Debug)]
pub struct WriteRequest {
    /// What to write.
    pub write: Write,
    /// Gets the mission concerned, or `None` if there is no such mission, after the commit.
    pub reply: oneshot::Sender<Result<Option<Mission>, StoreError>>,
}

/// The state of the writer thread.
pub struct Writer {
    connection: Connection,
    ids: IdGenerator,
    hub: EventHub,
    metrics: Arc<Metrics>,
}

/// A write that was carried out but is not on disk yet.
struct Carried {
    reply: oneshot::Sender<Result<Option<Mission>, StoreError>>,
    result: Result<Option<Mission>, StoreError>,
    event: Option<MissionEvent>,
}

impl Writer {
    /// Takes over a connection that is open for writing.
    ///
    /// # Errors
    /// What SQLite reports when it is asked for the greatest id.
    pub fn new(
        connection: Connection,
        hub: EventHub,
        metrics: Arc<Metrics>,
    ) -> rusqlite::Result<Self> {
        let ids = IdGenerator::after(missions::last_id(&connection)?);
        Ok(Self {
            connection,
            ids,
            hub,
            metrics,
        })
    }

    /// Works until every sender is gone, then checkpoints the log and closes the database.
    pub fn run(mut self, mut requests: mpsc::Receiver<WriteRequest>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut carried = Vec::with_capacity(BATCH_MAX);
        while requests.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            // Nobody waits any longer for a request whose deadline has passed.
            batch.retain(|request| !request.reply.is_closed());
            self.commit(&mut batch, &mut carried);
        }
        if let Err(error) = self
            .connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        {
            tracing::warn!(%error, "failed to fold the write-ahead log into the database");
        }
    }

    fn commit(&mut self, batch: &mut Vec<WriteRequest>, carried: &mut Vec<Carried>) {
        if batch.is_empty() {
            return;
        }
        let begun = Instant::now();
        let size = batch.len();
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return refuse(batch.drain(..).map(|request| request.reply), &error);
        }
        for request in batch.drain(..) {
            carried.push(self.carry_out(request));
        }
        if let Err(error) = self.execute("COMMIT") {
            // After a failed commit the transaction may still be open.
            if !self.connection.is_autocommit()
                && let Err(error) = self.execute("ROLLBACK")
            {
                tracing::error!(%error, "failed to roll back");
            }
            return refuse(carried.drain(..).map(|done| done.reply), &error);
        }
        self.metrics.committed(size, begun.elapsed());
        for done in carried.drain(..) {
            if let (Ok(Some(mission)), Some(event)) = (&done.result, done.event) {
                self.hub.publish(event, mission);
            }
            // The client may have gone away meanwhile; its write stands all the same.
            let _ = done.reply.send(done.result);
        }
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn carry_out(&mut self, request: WriteRequest) -> Carried {
        let WriteRequest { write, reply } = request;
        let (result, event) = match write {
            Write::Create(new) => (self.create(new).map(Some), Some(MissionEvent::Created)),
            Write::Update(id, patch) => (
                missions::update(&self.connection, id, &patch, Timestamp::now())
                    .map_err(StoreError::from),
                Some(MissionEvent::Updated),
            ),
            Write::Delete(id) => (
                missions::delete(&self.connection, id).map_err(StoreError::from),
                Some(MissionEvent::Deleted),
            ),
            Write::Probe => (self.probe(), None),
        };
        Carried {
            reply,
            result,
            event,
        }
    }

    fn create(&mut self, new: NewMission) -> Result<Mission, StoreError> {
        let now = Timestamp::now();
        let mission = Mission {
            id: self.ids.next(now.0),
            name: new.name,
            prompt: new.prompt,
            backend: new.backend,
            status: MissionStatus::Pending,
            created_at: now,
            updated_at: now,
        };
        missions::insert(&self.connection, &mission)?;
        Ok(mission)
    }

    fn probe(&self) -> Result<Option<Mission>, StoreError> {
        self.connection
            .prepare_cached("UPDATE health_probe SET probed_at = ?1 WHERE id = 1")?
            .execute([Timestamp::now().0])?;
        Ok(None)
    }
}

/// Tells everybody in a lost transaction why it was lost.
fn refuse(
    replies: impl Iterator<Item = oneshot::Sender<Result<Option<Mission>, StoreError>>>,
    error: &rusqlite::Error,
) {
    tracing::error!(%error, "failed to commit");
    for reply in replies {
        let _ = reply.send(Err(StoreError::Commit(error.to_string())));
    }
}
