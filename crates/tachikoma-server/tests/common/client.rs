//! HTTP/1.1 by hand, so that tests can also send what no client would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use super::KEY;

/// An answer as it came over the socket.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// A mission as clients send it.
pub const MISSION: &str = r#"{"name":"n","prompt":"p","backend":"mock"}"#;

/// The status of one request's answer.
pub fn status(addr: SocketAddr, method: &str, path: &str, body: Option<&str>) -> u16 {
    request(addr, method, path, body).expect("answered").status
}

/// Whether the server's metrics have this line.
pub fn metric(addr: SocketAddr, line: &str) -> bool {
    let metrics = request(addr, "GET", "/metrics", None).expect("answered");
    String::from_utf8_lossy(&metrics.body)
        .lines()
        .any(|l| l == line)
}

/// Sends one request with the key on a connection of its own.
pub fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> std::io::Result<Response> {
    let body = body.unwrap_or_default();
    let kind = if body.is_empty() {
        ""
    } else {
        "content-type: application/json\r\n"
    };
    let text = format!(
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\n{kind}\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect_timeout(&addr, Duration::from_secs(10))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    stream.set_nodelay(true)?;
    exchange(&mut stream, text.as_bytes())
}

/// Sends bytes and reads one answer with a `content-length`, or none (204).
pub fn exchange(stream: &mut TcpStream, bytes: &[u8]) -> std::io::Result<Response> {
    stream.write_all(bytes)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = content_length(&head);
            let begin = end + 4;
            if bytes.len() >= begin + length {
                let status = head
                    .split(' ')
                    .nth(1)
                    .and_then(|code| code.parse().ok())
                    .ok_or_else(|| std::io::Error::other(format!("no status in {head:?}")))?;
                let body = bytes[begin..begin + length].to_vec();
                return Ok(Response { status, head, body });
            }
        }
        match stream.read(&mut buffer)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => bytes.extend_from_slice(&buffer[..n]),
        }
    }
}

fn content_length(head: &str) -> usize {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}
