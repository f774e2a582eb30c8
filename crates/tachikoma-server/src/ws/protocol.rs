//! The frames of a session, in both directions.

use serde::{Deserialize, Serialize};

/// Longest message from a client, in bytes.
pub const MESSAGE_MAX: usize = 16 * 1024;

/// The one channel there is.
pub const MISSIONS: &str = "missions";

/// What a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Send the events of missions from now on.
    Subscribe,
    /// Send no more of them.
    Unsubscribe,
}

/// What the server says besides events.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Reply {
    /// Events will come.
    Subscribed {
        /// The channel.
        channel: &'static str,
    },
    /// No more events will come.
    Unsubscribed {
        /// The channel.
        channel: &'static str,
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

impl Reply {
    /// The frame's text.
    pub fn render(&self) -> String {
        // Strings and numbers always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads a client's text frame.
///
/// # Errors
/// What is wrong with it, in words for the client.
pub fn parse(text: &str) -> Result<Request, String> {
    #[derive(Deserialize)]
    struct Frame {
        r#type: String,
        channel: Option<String>,
    }
    // A derived `Deserialize` would also take an array with the fields' values in order.
    if !text.trim_ascii_start().starts_with('{') {
        return Err("the frame is not a JSON object with a type".to_owned());
    }
    let frame: Frame = serde_json::from_str(text)
        .map_err(|error| format!("the frame is not a JSON object with a type: {error}"))?;
    let request = match frame.r#type.as_str() {
        "subscribe" => Request::Subscribe,
        "unsubscribe" => Request::Unsubscribe,
        other => {
            return Err(format!(
                "the type {:?} is unknown; known are subscribe and unsubscribe",
                shorten(other)
            ));
        }
    };
    match frame.channel.as_deref() {
        Some(MISSIONS) => Ok(request),
        Some(other) => Err(format!(
            "the channel {:?} is unknown; known is {MISSIONS}",
            shorten(other)
        )),
        None => Err(format!("the channel is missing; known is {MISSIONS}")),
    }
}

/// The beginning of a text that is repeated to its author.
fn shorten(text: &str) -> &str {
    text.char_indices()
        .nth(40)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_frames_are_understood() {
        assert_eq!(
            parse(r#"{"type":"subscribe","channel":"missions"}"#),
            Ok(Request::Subscribe)
        );
        assert_eq!(
            parse(r#"{"channel":"missions","type":"unsubscribe","more":1}"#),
            Ok(Request::Unsubscribe)
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
        assert_eq!(
            Reply::Subscribed { channel: MISSIONS }.render(),
            r#"{"type":"subscribed","channel":"missions"}"#
        );
        assert_eq!(
            Reply::Lagged { missed: 3 }.render(),
            r#"{"type":"lagged","missed":3}"#
        );
        assert_eq!(
            Reply::Error {
                message: "no".into()
            }
            .render(),
            r#"{"type":"error","message":"no"}"#
        );
    }
}
