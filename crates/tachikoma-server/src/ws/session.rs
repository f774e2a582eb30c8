//! One client's session: its requests, its events, its heartbeat.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{MissedTickBehavior, interval};

use super::protocol::{self, MISSIONS, Reply, Request};
use crate::shutdown;
use crate::state::{App, AppState};

/// Why a session ends.
enum End {
    /// The client left, or broke the protocol.
    Left,
    /// The client did not read or answer in time.
    Unresponsive,
    /// The server stops.
    Shutdown,
}

/// Serves a client until it leaves, stops reading, or the server stops.
pub(super) async fn run(socket: WebSocket, state: &AppState) {
    let mut session = Session {
        socket,
        app: state,
        events: None,
        heard: Instant::now(),
    };
    match session.serve().await {
        End::Left => {}
        End::Unresponsive => {
            state.metrics.websocket_dropped.inc();
        }
        End::Shutdown => {
            let close = CloseFrame {
                code: close_code::AWAY,
                reason: "server is stopping".into(),
            };
            if session.send(Message::Close(Some(close))).await.is_ok() {
                session.await_close().await;
            }
        }
    }
}

struct Session<'a> {
    socket: WebSocket,
    app: &'a App,
    events: Option<Receiver<Utf8Bytes>>,
    heard: Instant,
}

impl Session<'_> {
    async fn serve(&mut self) -> End {
        let mut stop = self.app.shutdown.clone();
        let patience = self.app.limits.ping_interval;
        let mut ping = interval(patience);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await;
        loop {
            let step = tokio::select! {
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => self.receive(&frame).await,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "WebSocket session ended by an error");
                        Err(End::Left)
                    }
                    None => Err(End::Left),
                },
                event = next_event(&mut self.events) => self.forward(event).await,
                _ = ping.tick() => {
                    if self.heard.elapsed() > patience.saturating_mul(2) {
                        Err(End::Unresponsive)
                    } else {
                        self.send(Message::Ping(bytes::Bytes::new())).await
                    }
                }
                () = shutdown::requested(&mut stop) => Err(End::Shutdown),
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn receive(&mut self, frame: &Message) -> Result<(), End> {
        self.heard = Instant::now();
        let reply = match frame {
            Message::Text(text) => self.obey(text),
            Message::Binary(_) => Reply::Error {
                message: "binary frames are not understood; send JSON text".into(),
            },
            // The library answers these by itself; after a close, the next read finds the end.
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        self.send(Message::Text(reply.render().into())).await
    }

    fn obey(&mut self, text: &str) -> Reply {
        match protocol::parse(text) {
            Ok(Request::Subscribe) => {
                // Subscribing twice goes on with the first subscription and loses nothing.
                self.events.get_or_insert_with(|| self.app.hub.subscribe());
                Reply::Subscribed { channel: MISSIONS }
            }
            Ok(Request::Unsubscribe) => {
                self.events = None;
                Reply::Unsubscribed { channel: MISSIONS }
            }
            Err(message) => Reply::Error { message },
        }
    }

    async fn forward(&mut self, event: Result<Utf8Bytes, RecvError>) -> Result<(), End> {
        match event {
            Ok(text) => self.send(Message::Text(text)).await,
            Err(RecvError::Lagged(missed)) => {
                self.app.metrics.websocket_lagged.inc_by(missed);
                self.send(Message::Text(Reply::Lagged { missed }.render().into()))
                    .await
            }
            Err(RecvError::Closed) => Err(End::Shutdown),
        }
    }

    /// Reads until the client has answered the close frame, so that it sees a close in good order.
    async fn await_close(&mut self) {
        let closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // A client that does not answer is cut off.
        let _ = tokio::time::timeout(CLOSE_PATIENCE, closed).await;
    }

    /// Sends a frame, giving up on a client that does not read.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        let limit = self.app.limits.write_timeout;
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

/// Longest wait for a client's answer to a close frame.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The next event of a subscription; never, without one.
async fn next_event(events: &mut Option<Receiver<Utf8Bytes>>) -> Result<Utf8Bytes, RecvError> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
