//! Power cuts in small: the server is killed while it writes at full speed, and started again.

mod common;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use common::{KEY, Server, read_response};

/// Rounds of writing and killing.
const ROUNDS: u32 = 30;
/// Clients that write at once.
const WRITERS: usize = 8;

/// Creates missions one after the other until the server dies; gives those that it acknowledged.
fn write(addr: SocketAddr, tag: &str, begun: &mpsc::Sender<()>) -> Vec<(String, String)> {
    let mut acknowledged = Vec::new();
    let Ok(mut stream) = TcpStream::connect(addr) else {
        return acknowledged;
    };
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    for number in 0.. {
        let name = format!("{tag}-{number}");
        let body = format!(r#"{{"name":"{name}","prompt":"p","backend":"mock"}}"#);
        let request = format!(
            "POST /api/missions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(request.as_bytes()).is_err() {
            break;
        }
        match read_response(&mut stream) {
            Ok(answer) if answer.status == 201 => {
                let id = answer.json()["id"].as_str().expect("an id").to_owned();
                acknowledged.push((id, name));
                let _ = begun.send(());
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
    }
    acknowledged
}

#[test]
fn no_acknowledged_mission_is_lost_or_doubled() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let database = data.path().join("tachikoma.db");
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut server = Server::start(data.path());
        let (sender, begun) = mpsc::channel();
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (addr, sender) = (server.addr, sender.clone());
                std::thread::spawn(move || write(addr, &format!("{round}-{writer}"), &sender))
            })
            .collect();
        // Each round is cut off at another point: after 1 to 300 acknowledged writes.
        for _ in 0..1 + round * 10 {
            begun
                .recv_timeout(Duration::from_secs(20))
                .expect("writes go on");
        }
        server.kill();
        for writer in writers {
            for (id, name) in writer.join().expect("no panic") {
                assert_eq!(all.insert(id, name), None, "an id was given twice");
            }
        }
    }
    let mut server = Server::start(data.path());
    server.signal(rustix::process::Signal::TERM);
    server.wait();
    let connection = rusqlite::Connection::open(&database).expect("opens");
    let sound: String = connection
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .expect("checked");
    assert_eq!(sound, "ok");
    let mut statement = connection
        .prepare("SELECT id, name FROM missions")
        .expect("prepared");
    let rows = statement.query_map([], |row| {
        let id: [u8; 16] = row.get(0)?;
        Ok((
            uuid::Uuid::from_bytes(id).to_string(),
            row.get::<_, String>(1)?,
        ))
    });
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows.expect("read") {
        let (id, name) = row.expect("read");
        *names.entry(name.clone()).or_default() += 1;
        kept.insert(id, name);
    }
    for (id, name) in &all {
        assert_eq!(
            kept.get(id),
            Some(name),
            "the acknowledged mission {name} is lost"
        );
        assert_eq!(
            names.get(name),
            Some(&1),
            "the mission {name} is there more than once"
        );
    }
    assert!(
        all.len() >= ROUNDS as usize * 10,
        "only {} missions were written",
        all.len()
    );
    // A write may have reached the disk without its answer, but no more than one for each client.
    let unanswered = kept.len() - all.len();
    assert!(
        unanswered <= ROUNDS as usize * WRITERS,
        "{unanswered} missions from nowhere"
    );
}

/// The same without luck: a write that is acknowledged is in the files as they are at that moment.
#[test]
fn an_acknowledged_mission_is_in_the_files() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    for number in 0..20 {
        let body = format!(r#"{{"name":"m{number}","prompt":"p","backend":"mock"}}"#);
        let answer = common::request(server.addr, "POST", "/api/missions", Some(&body));
        assert_eq!(answer.expect("answered").status, 201);
        let copy = tempfile::tempdir().expect("a temporary folder");
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
