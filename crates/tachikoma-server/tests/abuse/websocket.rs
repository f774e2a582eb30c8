//! The client's side of RFC 6455, byte by byte, so that a test can also get it wrong.

use std::net::SocketAddr;

/// A text frame's opcode.
pub const TEXT: u8 = 0x1;

/// The handshake's request (RFC 6455, 4.1), with the token in the query as a browser sends it.
pub fn handshake(addr: SocketAddr, key: &str) -> String {
    format!(
        "GET /ws?token={key} HTTP/1.1\r\nhost: {addr}\r\nconnection: Upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A whole message in one masked frame (RFC 6455, 5.2), with a mask of zeros.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    let length = payload.len();
    if length < 126 {
        frame.push(0x80 | u8::try_from(length).expect("less than 126"));
    } else if let Ok(length) = u16::try_from(length) {
        frame.push(0x80 | 126);
        frame.extend_from_slice(&length.to_be_bytes());
    } else {
        let length = u64::try_from(length).expect("64 bits are enough");
        frame.push(0x80 | 127);
        frame.extend_from_slice(&length.to_be_bytes());
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}
