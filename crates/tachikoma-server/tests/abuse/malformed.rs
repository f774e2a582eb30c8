//! Thousands of malformed requests and frames.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::common::Server;
use crate::watch::Watch;
use crate::{mutate, scale};

/// Connections that misbehave at the same time.
const AT_ONCE: usize = 8;

/// How long half of the connections stay to see an answer before they go.
const LISTEN: Duration = Duration::from_millis(100);

#[test]
fn malformed_requests_are_answered_or_cut_off() {
    abuse(
        "malformed requests",
        scale::count(1_000, 7_000),
        |_, random| mutate::request(random),
    );
}

#[test]
fn malformed_frames_end_their_session_at_worst() {
    abuse("malformed frames", scale::count(500, 3_000), mutate::frames);
}

fn abuse(what: &str, count: usize, make: fn(SocketAddr, &mut fastrand::Rng) -> Vec<u8>) {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path());
    let watch = Watch::over(&server);
    let addr = server.addr;
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|client| {
            let mut random = scale::random(u64::try_from(client).expect("a small number"));
            thread::spawn(move || {
                (0..count.div_ceil(AT_ONCE))
                    .filter(|_| {
                        let bytes = make(addr, &mut random);
                        exchange(addr, &bytes, random.bool())
                    })
                    .count()
            })
        })
        .collect();
    let answered: usize = clients
        .into_iter()
        .map(|c| c.join().expect("a client ends"))
        .sum();
    eprintln!("{what}: {count} sent, {answered} answered");
    assert!(
        answered > count / 10,
        "{what}: {answered} answers: the test tests nothing"
    );
    watch.verdict(&server, what);
}

/// Sends bytes and reads what comes back, which must be nothing or answers that are no fault of
/// the server. True if there was an answer.
fn exchange(addr: SocketAddr, bytes: &[u8], leave_at_once: bool) -> bool {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    stream
        .set_read_timeout(Some(LISTEN))
        .expect("a timeout can be set");
    // The server may well close before it has read everything.
    let _ = stream.write_all(bytes);
    if leave_at_once {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = [0; 512];
    let Ok(length @ 1..) = stream.read(&mut answer) else {
        return false;
    };
    let answer = String::from_utf8_lossy(&answer[..length]);
    let shown = || String::from_utf8_lossy(bytes);
    assert!(
        answer.starts_with("HTTP/1."),
        "{:?} was answered with {answer:?}",
        shown()
    );
    assert!(
        answer.as_bytes().get(9) != Some(&b'5'),
        "{:?} was answered with {answer:?}",
        shown()
    );
    true
}
