//! Crash safety: writers at full speed, `SIGKILL` at a random moment, restart on the same data.
//!
//! Every mission whose 201 arrived must be there exactly once and unchanged; whatever else is
//! there can only be what was in flight, at most one mission a writer and crash.
//! `TACHIKOMA_CRASH_SEED` repeats a run's moments.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::common::{KEY, Response, Server, exchange, request, tempdir};

/// How often the server is killed.
const CRASHES: usize = 30;

/// Connections that write at once, each with one request in flight.
const WRITERS: usize = 8;

/// Missions of a page when all are listed.
const PAGE: usize = 200;

#[test]
fn every_acknowledged_mission_survives_sigkill_exactly_once() {
    let seed = match std::env::var("TACHIKOMA_CRASH_SEED") {
        Ok(text) => text
            .parse()
            .expect("TACHIKOMA_CRASH_SEED is a whole number"),
        Err(_) => fastrand::u64(..),
    };
    eprintln!("TACHIKOMA_CRASH_SEED={seed} repeats this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempdir();
    let mut acknowledged = HashMap::new();
    let mut server = Server::start(dir.path());
    for crash in 1..=CRASHES {
        let addr = server.addr;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| thread::spawn(move || write_until_the_end(addr, crash, writer)))
            .collect();
        thread::sleep(Duration::from_millis(random.u64(1..300)));
        server.kill();
        for writer in writers {
            acknowledged.extend(writer.join().expect("a writer ends"));
        }
        check(dir.path());
        server = Server::start(dir.path());
        let stored = walk(server.addr);
        for (id, name) in &acknowledged {
            assert_eq!(
                stored.get(id),
                Some(name),
                "crash {crash} lost {id}\n{}",
                server.log()
            );
        }
        let in_flight = stored.len() - acknowledged.len();
        assert!(
            in_flight <= crash * WRITERS,
            "{in_flight} that nobody was waiting for"
        );
    }
    let count = acknowledged.len();
    assert!(
        count > CRASHES,
        "only {count} missions were acknowledged: the test tests nothing"
    );
    eprintln!("{count} acknowledged missions survived {CRASHES} crashes");
}

/// Creates missions until the connection breaks, and gives the id and name of each whose 201 came.
fn write_until_the_end(addr: SocketAddr, crash: usize, writer: usize) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    let Ok(mut stream) = TcpStream::connect(addr) else {
        return acknowledged;
    };
    for number in 0.. {
        let name = format!("crash {crash}, writer {writer}, mission {number}");
        let body = serde_json::json!({ "name": name, "prompt": "survive", "backend": "mock" });
        let Ok(response) = send(&mut stream, "POST", "/api/missions", &body.to_string()) else {
            break;
        };
        assert_eq!(
            response.status,
            201,
            "{:?}",
            String::from_utf8_lossy(&response.body)
        );
        let mission = response.json();
        assert_eq!(mission["name"], name.as_str());
        acknowledged.push((mission["id"].as_str().expect("an id").to_owned(), name));
    }
    acknowledged
}

/// Sends a request over a connection that is kept, and reads its answer.
fn send(stream: &mut TcpStream, method: &str, target: &str, body: &str) -> io::Result<Response> {
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: proof\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(stream, request.as_bytes())
}

/// Every stored mission's name by id, read page by page along the `Link` headers.
fn walk(addr: SocketAddr) -> HashMap<String, String> {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    let mut stored = HashMap::new();
    let mut next = Some(format!("/api/missions?limit={PAGE}"));
    while let Some(target) = next {
        let response = send(&mut stream, "GET", &target, "").expect("the list answers");
        assert_eq!(response.status, 200);
        for mission in response.json().as_array().expect("an array") {
            let text = |key: &str| mission[key].as_str().expect("text").to_owned();
            let before = stored.insert(text("id"), text("name"));
            assert_eq!(before, None, "listed twice");
        }
        next = response.head.lines().find_map(|line| {
            let target = line.strip_prefix("link: <")?.split_once('>')?.0;
            Some(target.to_owned())
        });
    }
    let mut names: Vec<_> = stored.values().collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all, "some request was carried out twice");
    stored
}

/// SQLite's full check of what the crash has left, by a connection that does not tidy up.
fn check(dir: &Path) {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = rusqlite::Connection::open_with_flags(dir.join("tachikoma.db"), flags);
    let found: String = database
        .and_then(|it| it.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("the check runs");
    assert_eq!(found, "ok");
}

/// The same without luck: a write that is acknowledged is in the files as they are at that moment.
#[test]
fn an_acknowledged_mission_is_in_the_files() {
    let data = tempdir();
    let server = Server::start(data.path());
    for number in 0..20 {
        let body = format!(r#"{{"name":"m{number}","prompt":"p","backend":"mock"}}"#);
        let answer = request(server.addr, "POST", "/api/missions", Some(&body));
        assert_eq!(answer.expect("answered").status, 201);
        let copy = tempdir();
        for name in ["tachikoma.db", "tachikoma.db-wal"] {
            std::fs::copy(data.path().join(name), copy.path().join(name)).expect("copied");
        }
        let connection =
            rusqlite::Connection::open(copy.path().join("tachikoma.db")).expect("opens");
        let count: i64 = connection
            .query_row("SELECT count(*) FROM missions", [], |row| row.get(0))
            .expect("read");
        assert_eq!(count, number + 1);
    }
}
