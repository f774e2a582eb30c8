//! The one thread that writes, with group commit.
//!
//! A commit costs a flush of the disk, whatever the number of rows in it. So the thread takes all
//! requests that came in while the last flush ran, puts them into one transaction, and answers
//! them together once that is on disk. A transaction in which anything fails is rolled back whole,
//! so that every answer agrees with what is stored.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
use rusqlite::{Connection, Statement};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::files::Files;
use super::ids::IdGenerator;
use super::{Generation, missions, open};
use crate::events::{EventHub, MissionEvent};
use crate::logging::Rarely;
use crate::metrics::Metrics;
use crate::mission::{Mission, MissionPatch, MissionStatus, NewMission};
use crate::problem::{ApiResult, Problem};
use crate::timestamp::Timestamp;

/// Most requests in one transaction: bounds the time that the first of them waits for the rest.
const BATCH_MAX: usize = 512;

/// What a request wants written.
#[derive(Debug)]
pub enum Write {
    /// A new mission, with the client's idempotency key if it has one.
    Create(NewMission, Option<String>),
    /// Other values for some fields of a mission.
    Update(Uuid, MissionPatch),
    /// The end of a mission.
    Delete(Uuid),
    /// A row of no meaning, to see whether the database can be written.
    Probe,
}

/// Of a write's writer and deadline, the one that claims the ticket first decides what becomes of
/// the write. Thus a client is never told that a write failed which is stored after all.
#[derive(Debug, Clone, Default)]
pub struct Ticket(Arc<AtomicBool>);

tokio::task_local! {
    /// The ticket of the request that a task answers, if its deadline may give it up.
    static TICKET: Option<Ticket>;
}

impl Ticket {
    /// Runs what answers a request: what it writes carries `ticket`.
    pub fn with<F: Future>(ticket: Option<Self>, answer: F) -> impl Future<Output = F::Output> {
        TICKET.scope(ticket, answer)
    }

    /// The one that this task runs with, or one that nobody else has.
    pub fn of_request() -> Self {
        TICKET
            .try_with(Clone::clone)
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    /// True for the first who claims it.
    pub fn claim(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// The mission concerned, or `None` if there is no such mission.
pub type WriteResult = ApiResult<Option<Mission>>;

/// A write and the one who waits for it.
#[derive(Debug)]
pub struct WriteRequest {
    /// What to write.
    pub write: Write,
    /// Claimed by the writer when it begins with the write.
    pub ticket: Ticket,
    /// Gets the result after the commit.
    pub reply: oneshot::Sender<WriteResult>,
}

/// The state of the writer thread.
pub struct Writer {
    database: PathBuf,
    /// `None` as long as there is no room to open the database for writing.
    open: Option<Open>,
    hub: EventHub,
    metrics: Arc<Metrics>,
    generation: Generation,
    log: Rarely,
}

/// A database that is open for writing.
struct Open {
    connection: Connection,
    files: Files,
    ids: IdGenerator,
}

/// What a write came to, and what subscribers hear of it, once it is on disk.
type Done = (WriteResult, Option<MissionEvent>);

impl Writer {
    /// Opens the database for writing. If there is no room to do so, it is tried again before each
    /// write, and until then nothing is written.
    ///
    /// # Errors
    /// Anything that does not mend itself.
    pub(super) fn new(
        database: PathBuf,
        hub: EventHub,
        metrics: Arc<Metrics>,
        generation: Generation,
    ) -> anyhow::Result<Self> {
        let open = match Open::new(&database) {
            Err(error) if error.downcast_ref().is_some_and(open::is_want_of_room) => {
                tracing::error!("the database cannot be written, serving reads only: {error:#}");
                None
            }
            open => Some(open?),
        };
        let log = Rarely::default();
        Ok(Self {
            database,
            open,
            hub,
            metrics,
            generation,
            log,
        })
    }

    /// Works until every sender is gone, then checkpoints the log and closes the database.
    pub fn run(mut self, mut requests: mpsc::Receiver<WriteRequest>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while requests.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            // Nobody waits any longer for a request whose deadline has passed.
            batch.retain(|request| !request.reply.is_closed() && request.ticket.claim());
            if !batch.is_empty() {
                self.commit(&mut batch);
            }
        }
        let fold = "PRAGMA wal_checkpoint(TRUNCATE)";
        if let Some(Err(error)) = self.open.map(|open| open.connection.execute_batch(fold)) {
            tracing::warn!(%error, "failed to fold the write-ahead log into the database");
        }
    }

    /// Writes a batch and answers it.
    fn commit(&mut self, batch: &mut Vec<WriteRequest>) {
        let begun = Instant::now();
        match self.transact(batch) {
            Ok(done) => {
                self.metrics.committed(batch.len(), begun.elapsed());
                for (request, (result, event)) in batch.drain(..).zip(done) {
                    if let (Ok(Some(mission)), Some(event)) = (&result, event) {
                        self.hub.publish(event, mission);
                    }
                    // The client may have gone away meanwhile; its write stands all the same.
                    let _ = request.reply.send(result);
                }
            }
            Err(error) => {
                if let Some(open) = &self.open
                    && !open.connection.is_autocommit()
                    && let Err(error) = open.execute("ROLLBACK")
                {
                    tracing::error!(%error, "failed to roll back");
                }
                if let Some(held_back) = self.log.line() {
                    tracing::error!(held_back, "failed to commit: {error:#}");
                }
                let problem = match error.downcast::<rusqlite::Error>() {
                    Ok(error) if !open::is_want_of_room(&error) => {
                        match error.sqlite_error_code() {
                            Some(DatabaseBusy | DatabaseLocked) => Problem::busy(),
                            _ => Problem::internal(error),
                        }
                    }
                    _ => Problem::unwritable(),
                };
                for request in batch.drain(..) {
                    let _ = request.reply.send(Err(problem.clone()));
                }
            }
        }
    }

    fn transact(&mut self, batch: &mut [WriteRequest]) -> anyhow::Result<Vec<Done>> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let open = none.insert(Open::new(&self.database)?);
                self.generation.fetch_add(1, Ordering::Release);
                tracing::info!("the database can be written again");
                open
            }
        };
        open.transact(batch)
    }
}

impl Open {
    fn new(database: &Path) -> anyhow::Result<Self> {
        let open = || -> anyhow::Result<Self> {
            let connection = open::open_writer(database)?;
            Ok(Self {
                ids: IdGenerator::after(missions::last_id(&connection)?),
                files: Files::of(&connection, database)?,
                connection,
            })
        };
        open().map_err(|error| open::explain(database, error))
    }

    /// All writes of a batch in one transaction. The files are looked at before, so that nothing
    /// is written into a database that is gone, and after, so that nothing is acknowledged of it:
    /// what was committed into files that have gone meanwhile may come back with them.
    fn transact(&mut self, batch: &mut [WriteRequest]) -> anyhow::Result<Vec<Done>> {
        self.files.check(&self.connection)?;
        self.execute("BEGIN IMMEDIATE")?;
        let mut insert = missions::prepare_insert(&self.connection)?;
        let (ids, now) = (&mut self.ids, Timestamp::now());
        let mut done: Vec<Done> = batch
            .iter_mut()
            .map(|request| carry_out(&mut request.write, &self.connection, &mut insert, ids, now))
            .collect::<rusqlite::Result<_>>()?;
        drop(insert);
        self.execute("COMMIT")?;
        if let Err(error) = self.files.check(&self.connection) {
            done.fill_with(|| (Err(Problem::uncertain(&error)), None));
        }
        Ok(done)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn carry_out(
    write: &mut Write,
    connection: &Connection,
    insert: &mut Statement<'_>,
    ids: &mut IdGenerator,
    now: Timestamp,
) -> rusqlite::Result<Done> {
    Ok(match write {
        Write::Create(new, key) => {
            let key = key.as_deref();
            let earlier = key.map(|key| missions::created_with(connection, key, now));
            if let Some(earlier) = earlier.transpose()?.flatten() {
                let same = earlier.name == new.name
                    && earlier.prompt == new.prompt
                    && earlier.backend == new.backend;
                let result = same.then_some(Some(earlier));
                return Ok((result.ok_or_else(Problem::key_reused), None));
            }
            let mission = Mission {
                id: ids.next(now.0),
                name: std::mem::take(&mut new.name),
                prompt: std::mem::take(&mut new.prompt),
                backend: std::mem::take(&mut new.backend),
                status: MissionStatus::Pending,
                created_at: now,
                updated_at: now,
            };
            missions::insert(insert, &mission)?;
            if let Some(key) = key {
                missions::remember(connection, key, &mission)?;
            }
            (Ok(Some(mission)), Some(MissionEvent::Created))
        }
        Write::Update(id, patch) => {
            let updated = missions::update(connection, *id, patch, now)?;
            (Ok(updated), Some(MissionEvent::Updated))
        }
        Write::Delete(id) => {
            let deleted = missions::delete(connection, *id)?;
            (Ok(deleted), Some(MissionEvent::Deleted))
        }
        Write::Probe => {
            connection
                .prepare_cached("UPDATE health_probe SET probed_at = ?1 WHERE id = 1")?
                .execute([now.0])?;
            (Ok(None), None)
        }
    })
}
