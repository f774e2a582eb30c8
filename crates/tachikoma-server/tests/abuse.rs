//! Clients that mean harm, over real sockets: the server keeps answering, its memory stays
//! bounded, and nothing panics.
//!
//! `TACHIKOMA_ABUSE=full` makes as many of them as a release must stand; without it, a tenth.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::{KEY, Server, ServerBuilder, eventually, request};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// The full number, or a tenth of it.
fn scaled(full: usize) -> usize {
    match std::env::var("TACHIKOMA_ABUSE").as_deref() {
        Ok("full") => full,
        Ok(other) if !other.is_empty() => panic!("TACHIKOMA_ABUSE={other:?} is not \"full\""),
        _ => full / 10,
    }
}

/// Longest time in which health must be answered in the middle of it all. The best of a few
/// attempts counts, so that a busy machine is not taken for a slow server.
const HEALTH_LIMIT: Duration = Duration::from_millis(100);

#[track_caller]
fn assert_responsive(server: &Server) {
    let best = (0..20)
        .map(|_| {
            let begun = Instant::now();
            let answer = request(server.addr, "GET", "/api/health", None).expect("answered");
            assert_eq!(answer.status, 200);
            begun.elapsed()
        })
        .min()
        .expect("twenty attempts");
    assert!(best <= HEALTH_LIMIT, "health took {best:?}");
}

/// What must hold after any abuse.
#[track_caller]
fn assert_unharmed(server: &Server, before: u64) {
    assert_responsive(server);
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 96 << 20, "memory grew by {} MiB", grown >> 20);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

fn start(args: [&str; 2]) -> (tempfile::TempDir, Server) {
    tachikoma_server::os::raise_open_files(16_384);
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = ServerBuilder::new(data.path()).args(args).start();
    assert_responsive(&server);
    (data, server)
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr).expect("connects");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    stream
        .set_write_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    stream
}

/// Sends bytes and the end of the stream, and reads whatever comes back. Errors are the server's
/// good right: it may close at any time.
fn throw(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(server);
    let mut answer = Vec::new();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn status(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or(0)
}

/// Requests that are broken in every place: by random bytes, cuts and swaps in a good one.
#[test]
fn malformed_requests() {
    let (_data, server) = start(["--read-timeout", "5s"]);
    let before = server.resident();
    let body = r#"{"name":"n","prompt":"p","backend":"mock"}"#;
    let good = format!(
        "POST /api/missions?limit=1 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(
        status(&throw(&server, good.as_bytes())),
        201,
        "the pattern itself is good"
    );
    let edits = proptest::collection::vec((0..good.len(), proptest::num::u8::ANY, 0..3_u8), 1..8);
    let mut runner = TestRunner::default();
    for number in 0..scaled(10_000) {
        let mut bytes = good.clone().into_bytes();
        for (at, byte, kind) in edits.new_tree(&mut runner).expect("edits").current() {
            let at = at.min(bytes.len() - 1);
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => bytes.truncate(at.max(1)),
            }
        }
        let answer = throw(&server, &bytes);
        let status = status(&answer);
        assert!(
            status < 500 || status == 503,
            "{status} for {:?}",
            String::from_utf8_lossy(&bytes)
        );
        if number % 500 == 0 {
            assert_responsive(&server);
        }
    }
    assert_unharmed(&server, before);
}

/// Requests that are wrong in ways of which history is full.
#[test]
fn infamous_requests() {
    let (_data, server) = start(["--read-timeout", "5s"]);
    let before = server.resident();
    let megabyte = "x".repeat(1 << 20);
    let many = "a: b\r\n".repeat(100_000);
    let deep = "[".repeat(60_000);
    let authorized = format!("host: x\r\nauthorization: Bearer {KEY}\r\n");
    for (name, bytes, expected) in [
        (
            "1 MB header",
            format!("GET / HTTP/1.1\r\nhost: x\r\na: {megabyte}\r\n\r\n"),
            &[431, 400][..],
        ),
        (
            "1 MB path",
            format!("GET /{megabyte} HTTP/1.1\r\nhost: x\r\n\r\n"),
            &[414, 431, 400],
        ),
        (
            "100,000 headers",
            format!("GET / HTTP/1.1\r\n{many}\r\n"),
            &[431, 400],
        ),
        (
            "two lengths",
            "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx".into(),
            &[400],
        ),
        (
            "length and chunks",
            format!(
                "POST /api/missions HTTP/1.1\r\n{authorized}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
            &[400, 415],
        ),
        (
            "negative length",
            "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n".into(),
            &[400],
        ),
        (
            "huge length",
            format!(
                "POST /api/missions HTTP/1.1\r\n{authorized}content-type: application/json\r\ncontent-length: 99999999999\r\n\r\nx"
            ),
            &[413, 400],
        ),
        (
            "bad chunk",
            format!(
                "POST /api/missions HTTP/1.1\r\n{authorized}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
            ),
            &[400],
        ),
        (
            "deep JSON",
            format!(
                "POST /api/missions HTTP/1.1\r\n{authorized}content-type: application/json\r\ncontent-length: {}\r\n\r\n{deep}",
                deep.len()
            ),
            &[400],
        ),
        ("not HTTP", "\u{16}\u{3}\u{1}\0\u{5}hello".into(), &[400]),
        (
            "HTTP/2 preface",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(),
            &[400, 505],
        ),
        (
            "an unknown version",
            "GET / HTTP/9.9\r\n\r\n".into(),
            &[400, 505],
        ),
        (
            "a very long method",
            format!("{} / HTTP/1.1\r\n\r\n", "M".repeat(5_000)),
            &[400, 404, 405],
        ),
    ] {
        let answer = throw(&server, bytes.as_bytes());
        // The server may cut a client off that sends far too much before its answer is read.
        let status = status(&answer);
        assert!(
            status == 0 || expected.contains(&status),
            "{name}: {status}"
        );
    }
    for bytes in [
        &b"GET /api/specs/\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n"[..],
        b"GET / HTTP/1.1\r\nhost: \xff\r\nx-request-id: \xff\r\nauthorization: Bearer \xff\r\n\r\n",
        b"\xff\xff\xff\xff\xff\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost\0: x\r\n\r\n",
    ] {
        let status = status(&throw(&server, bytes));
        assert!((400..500).contains(&status) || status == 0, "{status}");
    }
    assert_unharmed(&server, before);
}

/// Clients that send a head one byte at a time, or a body, or never read: each is cut off.
#[test]
fn slow_clients() {
    let (_data, server) = start(["--read-timeout", "1s"]);
    let before = server.resident();
    let mut clients: Vec<TcpStream> = Vec::new();
    let count = scaled(500).max(50);
    for index in 0..count {
        let mut stream = connect(&server);
        let begin = match index % 3 {
            0 => "GET /api/hea".to_owned(),
            1 => "GET /api/health HTTP/1.1\r\nhost: x\r\nx-slow: ".to_owned(),
            _ => format!(
                "POST /api/missions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
                 content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            ),
        };
        stream.write_all(begin.as_bytes()).expect("written");
        clients.push(stream);
    }
    assert_responsive(&server);
    // Going on byte by byte does not help them: what counts is the whole head or body.
    let mut open = clients;
    let left = eventually("all slow clients to be cut off", || {
        open.retain_mut(|stream| {
            stream.set_nonblocking(true).expect("set");
            let mut answer = [0; 1024];
            let gone = match stream.read(&mut answer) {
                Ok(0) => true,
                // An answer such as 408 comes first, the end after it.
                Ok(_) => false,
                Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
            };
            !gone && stream.write_all(b"a").is_ok()
        });
        open.is_empty().then_some(open.len())
    });
    assert_eq!(left, 0);
    assert_unharmed(&server, before);
}

/// A client that asks for much and reads nothing cannot hold its answers in memory for ever.
#[test]
fn clients_that_never_read() {
    let (_data, server) = start(["--write-timeout", "500ms"]);
    let before = server.resident();
    let ask =
        format!("GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let clients: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = connect(&server);
            stream.set_nonblocking(true).expect("set");
            // Until the socket takes no more: the server reads no further request by then.
            while stream.write_all(ask.as_bytes()).is_ok() {}
            stream
        })
        .collect();
    eventually("the connections to be cut off", || {
        let metrics = request(server.addr, "GET", "/metrics", None).expect("answered");
        String::from_utf8_lossy(&metrics.body)
            .contains("tachikoma_connections 1\n")
            .then_some(())
    });
    drop(clients);
    assert_unharmed(&server, before);
}

fn handshake(server: &Server) -> TcpStream {
    let mut stream = connect(server);
    let text = format!(
        "GET /ws?token={KEY} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let answer = common::exchange(&mut stream, text.as_bytes()).expect("answered");
    assert_eq!(answer.status, 101);
    stream
}

#[test]
fn idle_websockets() {
    let (_data, server) = start(["--ping-interval", "30s"]);
    let before = server.resident();
    let sessions: Vec<TcpStream> = (0..scaled(2_000)).map(|_| handshake(&server)).collect();
    assert_unharmed(&server, before);
    drop(sessions);
    eventually("the sessions' end", || {
        let metrics = request(server.addr, "GET", "/metrics", None).expect("answered");
        String::from_utf8_lossy(&metrics.body)
            .contains("tachikoma_websocket_sessions 0")
            .then_some(())
    });
}

#[test]
fn malformed_frames() {
    let (_data, server) = start(["--ping-interval", "30s"]);
    let before = server.resident();
    let frame = proptest::collection::vec(proptest::num::u8::ANY, 1..40);
    let mut runner = TestRunner::default();
    for _ in 0..scaled(10_000) / 5 {
        let mut stream = handshake(&server);
        for _ in 0..5 {
            let mut bytes = frame.new_tree(&mut runner).expect("a frame").current();
            // Half of them begin like a text frame with a mask, to get further.
            if bytes.len() % 2 == 0 && bytes.len() > 6 {
                bytes[0] = 0x81;
                bytes[1] = 0x80 | u8::try_from(bytes.len() - 6).expect("short");
            }
            if stream.write_all(&bytes).is_err() {
                break;
            }
        }
    }
    assert_unharmed(&server, before);
}

#[test]
fn connections_beyond_the_limit_are_refused_and_places_given_back() {
    let (_data, server) = start(["--max-connections", "20"]);
    let held: Vec<TcpStream> = eventually("twenty connections", || {
        let held: Vec<TcpStream> = (0..20).map(|_| connect(&server)).collect();
        let mut probe = connect(&server);
        let mut answer = String::new();
        let _ = probe.read_to_string(&mut answer);
        answer.starts_with("HTTP/1.1 503").then_some(held)
    });
    drop(held);
    eventually("a free place", || {
        request(server.addr, "GET", "/api/health", None)
            .ok()
            .filter(|a| a.status == 200)
    });
    assert!(!server.log().contains("panicked"));
}
