//! Too deep, too long, too many, not text: each has its status.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::common::{KEY, Server};
use crate::watch::Watch;

#[test]
fn what_is_too_much_has_its_status() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path());
    let watch = Watch::over(&server);
    let nested = |text: &str| {
        format!(
            r#"{{"name":{},"prompt":"p","backend":"b"}}"#,
            text.repeat(10_000)
        )
    };
    let mega = 1024 * 1024;
    for (what, request, status) in [
        ("deep arrays", post(nested("[").as_bytes()), 422),
        ("deep objects", post(nested("{\"\":").as_bytes()), 422),
        (
            "a body that is not UTF-8",
            post(b"{\"name\":\"\xff\xfe\"}"),
            400,
        ),
        (
            "a number without end",
            post(format!(r#"{{"name":{}}}"#, "9".repeat(60_000)).as_bytes()),
            400,
        ),
        ("chunks of 1 MB", chunked(mega), 413),
        (
            "a header of 1 MB",
            with_head(&format!("x-long: {}\r\n", "a".repeat(mega))),
            431,
        ),
        (
            "a target of 1 MB",
            get(&format!("/api/health?{}", "a".repeat(mega))),
            431,
        ),
        ("500 headers", with_head(&"x-many: 1\r\n".repeat(500)), 431),
        (
            "raw bytes in the target",
            [b"GET /\xff\xfe HTTP/1.1\r\n".as_slice(), b"host: a\r\n\r\n"].concat(),
            400,
        ),
    ] {
        let answer = exchange(server.addr, &request);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&expected),
            "{what} must give {status}, and gave {answer:?}"
        );
    }
    watch.verdict(&server, "sizes");
}

fn with_head(headers: &str) -> Vec<u8> {
    format!("GET /api/health HTTP/1.1\r\nhost: proof\r\n{headers}\r\n").into_bytes()
}

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nhost: proof\r\nauthorization: Bearer {KEY}\r\n\r\n")
        .into_bytes()
}

fn post_head(body: &str) -> Vec<u8> {
    format!(
        "POST /api/missions HTTP/1.1\r\nhost: proof\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\n{body}\r\n\r\n"
    )
    .into_bytes()
}

fn post(body: &[u8]) -> Vec<u8> {
    let mut request = post_head(&format!("content-length: {}", body.len()));
    request.extend_from_slice(body);
    request
}

fn chunked(length: usize) -> Vec<u8> {
    let mut request = post_head("transfer-encoding: chunked");
    request
        .extend_from_slice(format!("{length:x}\r\n{}\r\n0\r\n\r\n", " ".repeat(length)).as_bytes());
    request
}

/// Sends a request and gives the beginning of the answer. The server may answer and close before
/// it has read everything, so that writing fails while the answer is there to be read.
fn exchange(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a timeout can be set");
    let mut reading = stream.try_clone().expect("a second handle");
    let reader = std::thread::spawn(move || {
        let mut answer = [0; 512];
        reading
            .read(&mut answer)
            .map(|length| String::from_utf8_lossy(&answer[..length]).into_owned())
    });
    let _ = stream.write_all(request);
    match reader.join().expect("the reader ends") {
        Ok(answer) => answer,
        Err(error) => format!("nothing: {error}"),
    }
}
