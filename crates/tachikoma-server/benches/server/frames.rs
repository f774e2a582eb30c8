//! The client's side of a WebSocket session, frame by frame.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::KEY;
use crate::websocket::{TEXT, frame, handshake};

/// The bit that says that a frame is a whole message (RFC 6455, 5.2). The server splits none.
pub const WHOLE: u8 = 0x80;
/// Opcodes.
pub const CLOSE: u8 = 0x8;
/// Opcodes.
pub const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// A session that has subscribed.
pub struct Frames {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Frames {
    /// Connects and subscribes.
    pub async fn subscribe(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let read = Vec::new();
        let mut frames = Self { stream, read };
        let hello = handshake(addr, KEY);
        frames.stream.write_all(hello.as_bytes()).await?;
        let end = loop {
            match frames.read.windows(4).position(|four| four == b"\r\n\r\n") {
                Some(end) => break end + 4,
                None => frames.fill().await?,
            }
        };
        if !frames.read.starts_with(b"HTTP/1.1 101 ") {
            return Err(io::Error::other("the handshake was refused"));
        }
        frames.read.drain(..end);
        let subscribe = br#"{"type":"subscribe","channel":"missions"}"#;
        frames.send(TEXT, subscribe).await?;
        let (_, answer) = frames.next().await?;
        if answer != br#"{"type":"subscribed","channel":"missions"}"# {
            return Err(io::Error::other("another answer than subscribed"));
        }
        Ok(frames)
    }

    /// Sends a whole frame.
    pub async fn send(&mut self, opcode: u8, payload: &[u8]) -> io::Result<()> {
        self.stream.write_all(&frame(opcode, payload)).await
    }

    /// The opcode and payload of the next frame.
    pub async fn next(&mut self) -> io::Result<(u8, Vec<u8>)> {
        loop {
            if let Some((head, length)) = extent(&self.read)
                && self.read.len() >= head + length
            {
                let opcode = self.read[0] & !WHOLE;
                let payload = self.read[head..head + length].to_vec();
                self.read.drain(..head + length);
                return Ok((opcode, payload));
            }
            self.fill().await?;
        }
    }

    /// The payload of the next text frame. Pings on the way are answered.
    pub async fn text(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.next().await? {
                (TEXT, payload) => return Ok(payload),
                (PING, payload) => self.send(PONG, &payload).await?,
                (opcode, _) => return Err(io::Error::other(format!("a frame of kind {opcode}"))),
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// Lengths of the next frame's head and payload (RFC 6455, 5.2), once its head is there.
fn extent(read: &[u8]) -> Option<(usize, usize)> {
    let [_, length, rest @ ..] = read else {
        return None;
    };
    match (*length, rest) {
        (length @ 0..126, _) => Some((2, usize::from(length))),
        (126, [high, low, ..]) => Some((4, usize::from(u16::from_be_bytes([*high, *low])))),
        (126, _) => None,
        (length, _) => panic!("a frame of length class {length}"),
    }
}
