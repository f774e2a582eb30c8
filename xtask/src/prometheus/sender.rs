//! Sends samples from a thread of its own, so that a slow Prometheus never slows the run down.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::client::Client;
use super::wire::Series;

/// How many batches may wait to be sent.
const WAITING: usize = 64;
/// How many series are kept for another try.
const KEPT: usize = 5_000;

/// A thread that sends what it is given.
pub struct Sender {
    queue: SyncSender<Vec<Series>>,
    lost: Arc<Mutex<Lost>>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Lost {
    samples: usize,
    why: String,
}

impl Sender {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(client: Client) -> std::io::Result<Self> {
        let (queue, batches) = sync_channel(WAITING);
        let lost = Arc::new(Mutex::new(Lost::default()));
        let losing = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("prometheus".into())
            .spawn(move || send_all(&client, &batches, &losing))?;
        Ok(Self {
            queue,
            lost,
            thread,
        })
    }

    /// Has `series` sent soon. Never waits.
    pub fn send(&self, series: Vec<Series>) {
        let why = "it is too slow";
        match self.queue.try_send(series) {
            Ok(()) => {}
            Err(TrySendError::Full(series) | TrySendError::Disconnected(series)) => {
                lose(&self.lost, &series, why);
            }
        }
    }

    /// Waits until everything is sent or given up; a notice if something was not taken.
    pub fn finish(self) -> Option<String> {
        drop(self.queue);
        // A panic in the thread has been shown, and the run has nothing to do with it.
        let _shown = self.thread.join();
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        (lost.samples > 0).then(|| {
            format!(
                "Prometheus did not accept {} of the orchestrator's samples: {}",
                lost.samples, lost.why
            )
        })
    }
}

fn send_all(client: &Client, batches: &Receiver<Vec<Series>>, lost: &Mutex<Lost>) {
    let mut waiting: Vec<Series> = Vec::new();
    while let Ok(batch) = batches.recv() {
        waiting.extend(batch);
        // Everything at once, so that after a pause nothing takes long.
        waiting.extend(batches.try_iter().flatten());
        send_once(client, &mut waiting, lost, true);
    }
    if !waiting.is_empty() {
        send_once(client, &mut waiting, lost, false);
    }
}

/// Sends what waits. What may be taken later goes on waiting, if there is a later.
fn send_once(client: &Client, waiting: &mut Vec<Series>, lost: &Mutex<Lost>, later: bool) {
    let Err(refused) = client.write(waiting) else {
        waiting.clear();
        return;
    };
    if !(later && refused.again) {
        lose(lost, waiting, &refused.why);
        waiting.clear();
    } else if waiting.len() > KEPT {
        let too_many: Vec<Series> = waiting.drain(..waiting.len() - KEPT).collect();
        lose(lost, &too_many, &refused.why);
    }
}

fn lose(lost: &Mutex<Lost>, series: &[Series], why: &str) {
    let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
    lost.samples += series
        .iter()
        .map(|series| series.samples.len())
        .sum::<usize>();
    why.clone_into(&mut lost.why);
}
