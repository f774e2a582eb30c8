//! The frames of a session, in both directions.

use axum::extract::ws::Message;
use serde::{Deserialize, Serialize};

use crate::api::extract::Object;

/// Longest message from a client, in bytes.
pub const MESSAGE_MAX: usize = 16 * 1024;

/// Longest explanation of what is wrong with one, in bytes.
const MESSAGE_SHOWN: usize = 190;

/// The channels there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// The events of missions.
    Missions,
}

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Request {
    /// Send the events of a channel from now on.
    Subscribe {
        /// The channel.
        channel: Channel,
    },
    /// Send no more of them.
    Unsubscribe {
        /// The channel.
        channel: Channel,
    },
}

/// What the server says besides events.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply {
    /// Events will come.
    Subscribed {
        /// The channel.
        channel: Channel,
    },
    /// No more events will come.
    Unsubscribed {
        /// The channel.
        channel: Channel,
    },
    /// The client read too slowly and missed events.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// A frame of the client was not understood. The session goes on.
    Error {
        /// What was wrong with it.
        message: String,
    },
}

impl From<Reply> for Message {
    fn from(reply: Reply) -> Self {
        // Strings and numbers always serialize.
        Self::text(serde_json::to_string(&reply).unwrap_or_default())
    }
}

/// Reads a client's text frame.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn parse(text: &str) -> Result<Request, String> {
    let read = serde_json::from_str(text).map(|Object(request)| request);
    read.map_err(|error| {
        let mut message = format!("the frame is not the JSON of a request: {error}");
        // It may repeat what its author knows already.
        message.truncate(message.floor_char_boundary(MESSAGE_SHOWN));
        message
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_frames_are_understood() {
        assert_eq!(
            parse(r#"{"type":"subscribe","channel":"missions"}"#),
            Ok(Request::Subscribe {
                channel: Channel::Missions
            })
        );
        assert_eq!(
            parse(r#"{"channel":"missions","type":"unsubscribe","more":1}"#),
            Ok(Request::Unsubscribe {
                channel: Channel::Missions
            })
        );
    }

    #[test]
    fn other_frames_are_named() {
        for (frame, word) in [
            ("", "JSON"),
            ("[]", "JSON"),
            (r#"["subscribe","missions"]"#, "JSON"),
            ("{}", "type"),
            (r#"{"type":1}"#, "JSON"),
            (r#"{"type":"shout","channel":"missions"}"#, "shout"),
            (r#"{"type":"subscribe"}"#, "channel"),
            (r#"{"type":"subscribe","channel":"specs"}"#, "specs"),
        ] {
            let message = parse(frame).expect_err("must be refused");
            assert!(message.contains(word), "{frame}: {message}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(1000));
        assert!(parse(&long).expect_err("unknown").len() < 200);
    }

    #[test]
    fn replies_have_the_documented_shape() {
        for (reply, text) in [
            (
                Reply::Subscribed {
                    channel: Channel::Missions,
                },
                r#"{"type":"subscribed","channel":"missions"}"#,
            ),
            (
                Reply::Lagged { missed: 3 },
                r#"{"type":"lagged","missed":3}"#,
            ),
            (
                Reply::Error {
                    message: "no".into(),
                },
                r#"{"type":"error","message":"no"}"#,
            ),
        ] {
            assert_eq!(Message::from(reply), Message::text(text));
        }
    }
}
