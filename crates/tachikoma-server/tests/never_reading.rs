//! Clients that ask and do not read: they can hold neither memory nor a connection for long.

mod common;

use std::io::Write;
use std::net::TcpStream;

use common::{KEY, ServerBuilder, eventually, request};

/// A client that asks for much and reads nothing cannot hold its answers in memory for ever.
#[test]
fn clients_that_never_read() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = ServerBuilder::new(data.path())
        .args(["--write-timeout", "500ms"])
        .start();
    request(server.addr, "GET", "/api/health", None).expect("answered");
    let before = server.resident();
    let ask =
        format!("GET /api/openapi.json HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n");
    let clients: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(server.addr).expect("connects");
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
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 48 << 20, "memory grew by {} MiB", grown >> 20);
    assert_eq!(
        request(server.addr, "GET", "/api/health", None)
            .expect("answered")
            .status,
        200
    );
}
