//! Crowds of clients that hold connections: slow ones, which must go, and idle ones, which may
//! stay.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{KEY, Server, ServerBuilder, eventually, request};
use crate::scale;
use crate::watch::Watch;
use crate::websocket::{TEXT, frame, handshake};

/// The deadline of what must happen at some time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two bytes of a slow client.
const TRICKLE: Duration = Duration::from_millis(50);

/// Each client sends a byte now and then, so that it is never idle and never done.
#[test]
fn slow_clients_are_cut_off() {
    scale::raise_open_files();
    let count = scale::count(100, 500);
    let dir = tempfile::tempdir().expect("a folder");
    let server = ServerBuilder::new(dir.path())
        .args(["--read-timeout", "2s"])
        .start();
    let watch = Watch::over(&server);
    let head = "GET /api/health HTTP/1.1\r\nhost: proof\r\nx-slow: ".to_owned();
    let body = format!(
        "POST /api/missions HTTP/1.1\r\nhost: proof\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: 60000\r\n\r\n"
    );
    let mut clients: Vec<_> = (0..count)
        .map(|client| {
            let begin = if client % 2 == 0 { &head } else { &body };
            let mut stream = connect(server.addr);
            stream
                .write_all(begin.as_bytes())
                .expect("the server reads");
            stream
                .set_nonblocking(true)
                .expect("a socket can be non-blocking");
            stream
        })
        .collect();
    let begun = Instant::now();
    while !clients.is_empty() {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} slow clients are still connected",
            clients.len()
        );
        thread::sleep(TRICKLE);
        clients.retain_mut(|stream| stream.write_all(b"a").is_ok() && !has_ended(stream));
    }
    eprintln!(
        "{count} slow clients were cut off within {:.1?}",
        begun.elapsed()
    );
    watch.verdict(&server, "slow clients");
}

#[test]
fn idle_websockets_cost_little_and_all_hear() {
    scale::raise_open_files();
    let count = scale::count(200, 2_000);
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path());
    let watch = Watch::over(&server);
    let subscribe = frame(TEXT, br#"{"type":"subscribe","channel":"missions"}"#);
    let mut clients: Vec<_> = (0..count)
        .map(|_| {
            let mut stream = connect(server.addr);
            let hello = handshake(server.addr, KEY);
            stream
                .write_all(hello.as_bytes())
                .expect("the server reads");
            assert!(read_until(&mut stream, "\r\n\r\n").starts_with("HTTP/1.1 101 "));
            stream.write_all(&subscribe).expect("the server reads");
            read_until(&mut stream, r#""subscribed","channel":"missions"}"#);
            stream
        })
        .collect();
    assert_eq!(sessions(server.addr), count);
    let mission = r#"{"name":"news","prompt":"p","backend":"mock"}"#;
    let created = request(server.addr, "POST", "/api/missions", Some(mission)).expect("an answer");
    assert_eq!(created.status, 201);
    let mission = created.json();
    let id = mission["id"].as_str().expect("an id");
    for stream in &mut clients {
        assert!(read_until(stream, "}}").contains(id), "another event came");
    }
    drop(clients);
    eventually("the end of sessions without clients", || {
        (sessions(server.addr) == 0).then_some(())
    });
    watch.verdict(&server, &format!("{count} idle WebSockets"));
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the server accepts");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    stream
}

/// Whether the server has closed or broken a non-blocking connection.
fn has_ended(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0; 4096]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Reads until what has come ends with `end`.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("the server goes on");
        text.push(byte[0]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The server's own count of its WebSocket sessions.
fn sessions(addr: SocketAddr) -> usize {
    let metrics = request(addr, "GET", "/metrics", None).expect("an answer");
    let text = String::from_utf8(metrics.body).expect("metrics are text");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("tachikoma_websocket_sessions "));
    line.and_then(|n| n.parse().ok())
        .expect("a number of sessions")
}
