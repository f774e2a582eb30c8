//! JSON answers, and how many bytes of them there may be at once.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{ApiResult, Problem};

/// Bytes that the JSON of a mission usually needs.
const USUAL_BYTES: usize = 512;

/// Room for the bytes of answers that are not sent yet. A client that asks for much and reads
/// nothing holds its answer's room until the connection is cut, and nobody's memory beyond it.
#[derive(Debug, Clone)]
pub struct AnswerRoom(Arc<Semaphore>);

/// Room that is taken until the answer is sent.
#[derive(Debug)]
pub struct TakenRoom(OwnedSemaphorePermit);

/// An answer's bytes with their room.
struct Held {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AnswerRoom {
    /// Room for `bytes` in all.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes room for an answer that is still to be made.
    ///
    /// # Errors
    /// 503 if there is not enough.
    pub fn take(&self, bytes: usize) -> ApiResult<TakenRoom> {
        u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.0.clone().try_acquire_many_owned(bytes).ok())
            .map(TakenRoom)
            .ok_or_else(|| {
                Problem::unavailable(
                    "the server holds as many unread answers as it can; try again later",
                )
            })
    }

    /// Renders an answer that takes its own room.
    ///
    /// # Errors
    /// As [`AnswerRoom::take`], or 500 if the value cannot be rendered.
    pub fn render<T: Serialize>(&self, value: &T) -> ApiResult<Bytes> {
        let bytes = to_json(value)?;
        Ok(self.take(bytes.capacity())?.hold(bytes))
    }
}

impl TakenRoom {
    /// Renders the answer that the room was taken for, and gives back what it does not need.
    ///
    /// # Errors
    /// 500 if the value cannot be rendered.
    pub fn render<T: Serialize>(self, value: &T) -> ApiResult<Bytes> {
        let bytes = to_json(value)?;
        Ok(self.hold(bytes))
    }

    fn hold(mut self, bytes: Vec<u8>) -> Bytes {
        let needed = self.0.split(bytes.capacity());
        let _room = needed.unwrap_or(self.0);
        Bytes::from_owner(Held { bytes, _room })
    }
}

/// Renders into the room of a usual mission, or what more it takes.
fn to_json<T: Serialize>(value: &T) -> ApiResult<Vec<u8>> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    serde_json::to_writer(&mut bytes, value).map_err(Problem::internal)?;
    if bytes.len() > USUAL_BYTES {
        bytes.shrink_to_fit();
    }
    Ok(bytes)
}

/// Answers with text that is JSON already.
pub fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_until_the_bytes_are_gone() {
        let room = AnswerRoom::new(1_000);
        let answer = room.render(&"x".repeat(500)).expect("there is room");
        let half = answer.slice(..10);
        assert!(room.render(&"x".repeat(500)).is_err());
        drop(answer);
        let again = room.render(&"x".repeat(500));
        assert!(again.is_err(), "a part is still held");
        drop(half);
        let whole = room.take(1_000).expect("everything is free");
        assert!(room.take(1).is_err());
        let _small = whole.render(&1).expect("renders");
        let rest = room.take(1_000 - USUAL_BYTES);
        assert!(rest.is_ok(), "what is not needed is given back");
    }
}
