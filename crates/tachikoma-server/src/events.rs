//! Mission events on their way from the writer to the WebSocket clients.

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use tokio::sync::broadcast;

use crate::mission::Mission;

/// How many events a client may lag behind before it loses the oldest of them.
const CAPACITY: usize = 1024;

/// What happened to a mission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum MissionEvent {
    /// It is new.
    #[serde(rename = "mission.created")]
    Created,
    /// Some of its fields changed.
    #[serde(rename = "mission.updated")]
    Updated,
    /// It is gone; the event shows it as it was.
    #[serde(rename = "mission.deleted")]
    Deleted,
}

/// Hands each event to every subscriber, in the order in which the writer committed them.
///
/// An event is rendered once, whatever the number of subscribers, and not at all without any. The
/// buffer is one ring shared by all: a subscriber that falls more than its length behind learns
/// how many events it missed, and never holds up the writer or the others.
#[derive(Debug, Clone)]
pub struct EventHub(broadcast::Sender<Utf8Bytes>);

impl EventHub {
    /// Receives every event that is published from now on, as a frame's text.
    pub fn subscribe(&self) -> broadcast::Receiver<Utf8Bytes> {
        self.0.subscribe()
    }

    /// Publishes one event; returns at once.
    pub fn publish(&self, r#type: MissionEvent, mission: &Mission) {
        #[derive(Serialize)]
        struct Frame<'a> {
            r#type: MissionEvent,
            mission: &'a Mission,
        }
        if self.0.receiver_count() == 0 {
            return;
        }
        match serde_json::to_string(&Frame { r#type, mission }) {
            // An error only says that the last subscriber has just left.
            Ok(text) => drop(self.0.send(text.into())),
            Err(error) => tracing::error!(%error, "failed to render an event"),
        }
    }
}

impl Default for EventHub {
    /// A hub without subscribers.
    fn default() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }
}
