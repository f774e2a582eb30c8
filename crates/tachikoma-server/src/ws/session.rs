//! One client's session: its requests, its events, its heartbeat.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, sleep};

use super::protocol::{self, Reply, Request};
use crate::app::App;
use crate::shutdown;

/// Why a session ends.
enum End {
    /// The client left, or broke the protocol.
    Left,
    /// The client has sent a close frame.
    Closed,
    /// The client did not read or answer in time.
    Unresponsive,
    /// The server stops.
    Shutdown,
}

/// Serves a client until it leaves, stops reading, or the server stops.
pub(super) async fn run(socket: WebSocket, app: &App) {
    let mut session = Session {
        socket,
        app,
        events: None,
        unanswered: 0,
    };
    match session.serve().await {
        End::Left => {}
        // The library answers the close with the next read. Nothing else may be sent any more: a
        // client that has closed takes a ping or an event for a fault.
        End::Closed => session.await_close().await,
        End::Unresponsive => drop(app.metrics.websocket_dropped.inc()),
        End::Shutdown => {
            let (code, reason) = (close_code::AWAY, "server is stopping".into());
            let close = Message::Close(Some(CloseFrame { code, reason }));
            if session.send(close).await.is_ok() {
                session.await_close().await;
            }
        }
    }
}

struct Session<'a> {
    socket: WebSocket,
    app: &'a App,
    events: Option<Receiver<Utf8Bytes>>,
    /// Pings since the client was last heard.
    unanswered: u32,
}

impl Session<'_> {
    async fn serve(&mut self) -> End {
        let mut stop = self.app.shutdown.clone();
        let interval = self.app.args.limits.ping_interval;
        let mut ping = pin!(sleep(until_next_ping(interval)));
        loop {
            let step = tokio::select! {
                // What the client has sent counts before what it is to be sent.
                biased;
                () = shutdown::requested(&mut stop) => Err(End::Shutdown),
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => self.receive(&frame).await,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "WebSocket session ended by an error");
                        Err(End::Left)
                    }
                    None => Err(End::Left),
                },
                event = next_event(&mut self.events) => self.forward(event).await,
                () = &mut ping => {
                    ping.as_mut().reset(Instant::now() + until_next_ping(interval));
                    self.unanswered += 1;
                    if self.unanswered > UNANSWERED_MAX {
                        return End::Unresponsive;
                    }
                    self.send(Message::Ping(bytes::Bytes::new())).await
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn receive(&mut self, frame: &Message) -> Result<(), End> {
        self.unanswered = 0;
        let reply = match frame {
            Message::Text(text) => match protocol::parse(text) {
                Ok(Request::Subscribe { channel }) => {
                    // Subscribing twice goes on with the first subscription and loses nothing.
                    self.events.get_or_insert_with(|| self.app.hub.subscribe());
                    Reply::Subscribed { channel }
                }
                Ok(Request::Unsubscribe { channel }) => {
                    self.events = None;
                    Reply::Unsubscribed { channel }
                }
                Err(message) => Reply::Error { message },
            },
            Message::Binary(_) => Reply::Error {
                message: "binary frames are not understood; send JSON text".into(),
            },
            Message::Close(_) => return Err(End::Closed),
            // The library answers a ping by itself.
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        self.send(reply.into()).await
    }

    async fn forward(&mut self, event: Result<Utf8Bytes, RecvError>) -> Result<(), End> {
        match event {
            Ok(text) => self.send(Message::Text(text)).await,
            Err(RecvError::Lagged(missed)) => {
                self.app.metrics.websocket_lagged.inc_by(missed);
                self.send(Reply::Lagged { missed }.into()).await
            }
            Err(RecvError::Closed) => Err(End::Shutdown),
        }
    }

    /// Reads until both sides have closed, so that the client sees a close in good order.
    async fn await_close(&mut self) {
        let closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // A client that does not answer is cut off.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, closed).await;
    }

    /// Sends a frame, giving up on a client that does not read.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let limit = self.app.args.limits.write_timeout;
        match tokio::time::timeout(limit, self.socket.send(message)).await {
            Ok(Ok(())) => {
                self.app.metrics.websocket_sent.inc();
                Ok(())
            }
            Ok(Err(_)) => Err(End::Left),
            Err(_) => Err(End::Unresponsive),
        }
    }
}

/// Pings without an answer after which a client counts as gone.
const UNANSWERED_MAX: u32 = 2;

/// Time to the next ping: 0.78 to 0.95 intervals, at random. So pings of many sessions spread out,
/// and the first, second and third of a session are never due after one, two or three intervals,
/// when a client is likely to have a timer of its own run out and to close.
fn until_next_ping(interval: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) >> 32;
    interval.mul_f64(0.78 + 0.17 * random as f64 / f64::from(u32::MAX))
}

/// Longest wait for a client's answer to a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The next event of a subscription; never, without one.
async fn next_event(events: &mut Option<Receiver<Utf8Bytes>>) -> Result<Utf8Bytes, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pings_differ_and_never_meet_a_whole_interval() {
        let interval = Duration::from_secs(30);
        let mut first = Vec::new();
        for _ in 0..1_000 {
            let mut due = Duration::ZERO;
            for number in 1..=3 {
                due += until_next_ping(interval);
                let of_interval = due.as_secs_f64() / 30.0;
                let distance = f64::from(number) - of_interval;
                assert!(
                    (0.04..0.7).contains(&distance),
                    "ping {number} after {due:?}"
                );
            }
            first.push(until_next_ping(interval));
        }
        first.sort_unstable();
        first.dedup();
        assert!(first.len() > 900, "{} different times", first.len());
    }
}
