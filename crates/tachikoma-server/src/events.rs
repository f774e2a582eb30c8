//! Mission events on their way from the writer to the WebSocket clients.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::mission::Mission;

/// How many events a client may lag behind before it loses the oldest of them.
const CAPACITY: usize = 1024;

/// What happened to a mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissionEvent {
    /// It is new.
    Created,
    /// Some of its fields changed.
    Updated,
    /// It is gone; the event shows it as it was.
    Deleted,
}

impl MissionEvent {
    fn name(self) -> &'static str {
        match self {
            Self::Created => "mission.created",
            Self::Updated => "mission.updated",
            Self::Deleted => "mission.deleted",
        }
    }
}

/// Hands each event to every subscriber, in the order in which the writer committed them.
///
/// An event is rendered once, whatever the number of subscribers, and not at all without any. The
/// buffer is one ring shared by all: a subscriber that falls more than its length behind learns
/// how many events it missed, and never holds up the writer or the others.
#[derive(Debug, Clone)]
pub struct EventHub {
    sender: Arc<broadcast::Sender<Utf8Bytes>>,
}

impl EventHub {
    /// A hub without subscribers.
    pub fn new() -> Self {
        Self {
            sender: Arc::new(broadcast::Sender::new(CAPACITY)),
        }
    }

    /// Receives every event that is published from now on, as a frame's text.
    pub fn subscribe(&self) -> broadcast::Receiver<Utf8Bytes> {
        self.sender.subscribe()
    }

    /// Publishes one event; returns at once.
    pub fn publish(&self, event: MissionEvent, mission: &Mission) {
        if self.sender.receiver_count() == 0 {
            return;
        }
        #[derive(Serialize)]
        struct Frame<'a> {
            r#type: &'static str,
            mission: &'a Mission,
        }
        match serde_json::to_string(&Frame {
            r#type: event.name(),
            mission,
        }) {
            // An error only says that the last subscriber has just left.
            Ok(text) => drop(self.sender.send(text.into())),
            Err(error) => tracing::error!(%error, "failed to render an event"),
        }
    }
}

impl Default for EventHub {
    fn default() -> Self {
        Self::new()
    }
}
