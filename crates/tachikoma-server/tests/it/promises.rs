//! What the server promises when clients, files and limits are at their worst: real sockets, real
//! files, real signals.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{
    KEY, MISSION, Response, Server, ServerBuilder, eventually, exchange, metric, request, status,
    tempdir,
};
use rustix::process::Signal;

/// Asks for a mission to be stored.
fn create(addr: SocketAddr) -> u16 {
    status(addr, "POST", "/api/missions", Some(MISSION))
}

/// How many missions there are.
fn stored(addr: SocketAddr) -> usize {
    let list = request(addr, "GET", "/api/missions?limit=200", None).expect("answered");
    assert_eq!(list.status, 200);
    list.json().as_array().expect("an array").len()
}

/// Connects and sends the beginning of something.
fn client(addr: SocketAddr, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("the server accepts");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    stream.write_all(bytes.as_bytes()).expect("written");
    stream
}

/// Missions whose list is an answer of 9.6 MB: 200 prompts of 8,000 characters, six bytes each.
fn fill(addr: SocketAddr) -> String {
    let prompt = "\\u0001".repeat(8_000);
    let body = format!(r#"{{"name":"n","prompt":"{prompt}","backend":"mock"}}"#);
    for _ in 0..200 {
        assert_eq!(status(addr, "POST", "/api/missions", Some(&body)), 201);
    }
    format!(
        "GET /api/missions?limit=200 HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"
    )
}

#[test]
fn answers_that_nobody_reads_take_bounded_memory() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .args(["--write-timeout", "1s", "--idle-timeout", "2s"])
        .start();
    let ask = fill(server.addr);
    let clients: Vec<TcpStream> = (0..200).map(|_| client(server.addr, &ask)).collect();
    eventually("the connections to be cut off", || {
        metric(server.addr, "tachikoma_connections 1").then_some(())
    });
    drop(clients);
    let peak = server.peak_memory() >> 20;
    assert!(peak < 224, "{peak} MiB for 200 answers of 9.6 MB");
    assert_eq!(stored(server.addr), 200, "whoever reads still gets it all");
}

#[test]
fn a_client_that_reads_a_byte_now_and_then_is_cut_off() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .args(["--write-timeout", "500ms"])
        .start();
    let mut slow = client(server.addr, &fill(server.addr));
    eventually("the connection to be cut off", || {
        assert!(
            slow.read(&mut [0]).is_ok(),
            "still within the socket's buffer"
        );
        metric(server.addr, "tachikoma_connections 1").then_some(())
    });
}

#[test]
fn nothing_is_written_into_a_database_that_is_gone() {
    let truncate = |path: &Path, length| {
        let file = OpenOptions::new().write(true).open(path).expect("opens");
        file.set_len(length).expect("truncated");
    };
    type Harm<'a> = &'a dyn Fn(&Path);
    let harms: [(&str, Harm); 6] = [
        ("deleted database", &|data| {
            std::fs::remove_file(data.join("tachikoma.db")).expect("removed");
        }),
        ("deleted log", &|data| {
            std::fs::remove_file(data.join("tachikoma.db-wal")).expect("removed");
        }),
        ("moved folder", &|data| {
            std::fs::rename(data, data.with_extension("moved")).expect("moved");
        }),
        ("replaced database", &|data| {
            std::fs::copy(data.join("tachikoma.db"), data.join("copy")).expect("copied");
            std::fs::rename(data.join("copy"), data.join("tachikoma.db")).expect("replaced");
        }),
        ("truncated database", &|data| {
            truncate(&data.join("tachikoma.db"), 0);
        }),
        ("truncated log", &|data| {
            truncate(&data.join("tachikoma.db-wal"), 100);
        }),
    ];
    for (what, harm) in harms {
        let folder = tempdir();
        let data = folder.path().join("data");
        let server = ServerBuilder::new(&data).start();
        assert_eq!(create(server.addr), 201);
        harm(&data);
        let refused = request(server.addr, "POST", "/api/missions", Some(MISSION));
        let refused = refused.expect("answered");
        assert_eq!(refused.status, 503, "{what}: {refused:?}");
        assert!(
            refused.json()["detail"]
                .as_str()
                .is_some_and(|d| d.contains("nothing was stored"))
        );
        eventually("a line in the log", || {
            server.log().contains("failed to commit").then_some(())
        });
    }
}

/// The files go away between the writer's first look at them and its commit.
#[test]
fn what_was_stored_is_never_called_not_stored() {
    let folder = tempdir();
    let (data, away) = (folder.path().join("data"), folder.path().join("away"));
    let server = ServerBuilder::new(&data).start();
    let addr = server.addr;
    let lock = rusqlite::Connection::open(data.join("tachikoma.db")).expect("opens");
    lock.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let answer = thread::spawn(move || request(addr, "POST", "/api/missions", Some(MISSION)));
    eventually("the write to have begun", || {
        let waits = metric(addr, "tachikoma_db_write_queue_length 0");
        (metric(addr, "tachikoma_http_requests_in_flight 2") && waits).then_some(())
    });
    std::fs::rename(&data, &away).expect("moved");
    lock.execute_batch("ROLLBACK").expect("unlocks");
    let answer = answer.join().expect("asked").expect("answered");
    assert_eq!(answer.status, 503, "{answer:?}");
    let detail = answer.json()["detail"].to_string();
    std::fs::rename(&away, &data).expect("moved back");
    assert_eq!(create(addr), 201);
    // Should the writer have been too late for its first look, it says so and has stored nothing.
    let expected = if detail.contains("nothing was stored") {
        1
    } else {
        2
    };
    assert_eq!(stored(addr), expected, "{detail}");
}

#[test]
fn writes_go_on_when_the_files_are_back() {
    let folder = tempdir();
    let data = folder.path().join("data");
    let away = folder.path().join("away");
    let mut server = ServerBuilder::new(&data).start();
    assert_eq!(create(server.addr), 201);
    std::fs::rename(&data, &away).expect("moved");
    assert_eq!(create(server.addr), 503);
    std::fs::rename(&away, &data).expect("moved back");
    assert_eq!(create(server.addr), 201);
    server.kill();
    assert_eq!(stored(ServerBuilder::new(&data).start().addr), 2);
}

#[test]
fn another_program_may_fold_the_log_and_compact_the_database() {
    let data = tempdir();
    let server = Server::start(data.path());
    let other = rusqlite::Connection::open(data.path().join("tachikoma.db")).expect("opens");
    assert_eq!(create(server.addr), 201);
    other
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("folded");
    assert_eq!(create(server.addr), 201);
    other
        .execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("compacted");
    assert_eq!(create(server.addr), 201);
    assert_eq!(stored(server.addr), 3);
}

/// A lock of another program holds the writer up longer than requests may take.
#[test]
fn what_is_answered_and_what_is_stored_agree() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .args(["--request-timeout", "200ms"])
        .start();
    let addr = server.addr;
    let lock = rusqlite::Connection::open(data.path().join("tachikoma.db")).expect("opens");
    lock.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let (sender, answers) = mpsc::channel();
    for number in 0..16 {
        let sender = sender.clone();
        thread::spawn(move || {
            let answer = status(addr, "POST", "/api/missions", Some(MISSION));
            sender.send(answer).expect("received");
        });
        if number == 0 {
            // The writer has begun with this one, and the others have to wait.
            eventually("the first write", || {
                let waits = metric(addr, "tachikoma_db_write_queue_length 0");
                (metric(addr, "tachikoma_http_requests_in_flight 2") && waits).then_some(())
            });
        }
    }
    drop(sender);
    // The first that is given up shows that the time of all of them is over.
    let mut statuses = vec![answers.recv().expect("an answer")];
    lock.execute_batch("ROLLBACK").expect("unlocks");
    statuses.extend(answers);
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert!(
        statuses.iter().all(|status| matches!(status, 201 | 503)),
        "{statuses:?}"
    );
    assert!(
        created > 0,
        "a write that had begun was given up: {statuses:?}"
    );
    // What was given up would be written before this.
    assert_eq!(status(addr, "POST", "/api/missions", Some(MISSION)), 201);
    assert_eq!(stored(addr), created + 1, "{statuses:?}");
}

#[test]
fn an_idempotency_key_survives_a_restart() {
    let data = tempdir();
    let post = |server: &Server, key: &str, body: &str| {
        let text = format!(
            "POST /api/missions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\nidempotency-key: {key}\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        exchange(&mut client(server.addr, ""), text.as_bytes()).expect("answered")
    };
    let mut server = Server::start(data.path());
    let first = post(&server, "one", MISSION);
    assert_eq!(first.status, 201);
    server.kill();
    let server = Server::start(data.path());
    let again = post(&server, "one", MISSION);
    assert_eq!((again.status, again.json()), (201, first.json()));
    assert_eq!(stored(server.addr), 1);
    assert_eq!(
        post(&server, "one", &MISSION.replace("mock", "other")).status,
        409
    );
    assert_eq!(stored(server.addr), 1);
    assert_eq!(post(&server, "two", MISSION).status, 201);
    assert_eq!(stored(server.addr), 2);
    // What is answered is there: a deleted mission is created anew.
    let path = |answer: &Response| {
        let id = answer.json()["id"].as_str().expect("a text").to_owned();
        format!("/api/missions/{id}")
    };
    assert_eq!(status(server.addr, "DELETE", &path(&first), None), 204);
    let anew = post(&server, "one", MISSION);
    assert_eq!(anew.status, 201);
    assert_eq!(status(server.addr, "GET", &path(&anew), None), 200);
}

#[test]
fn a_connection_that_never_sends_a_byte_is_not_idle() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .args(["--read-timeout", "300ms", "--idle-timeout", "1h"])
        .start();
    let silent: Vec<_> = (0..5).map(|_| client(server.addr, "")).collect();
    let mut used = client(server.addr, "");
    let get = b"GET /api/health HTTP/1.1\r\nhost: x\r\n\r\n";
    assert_eq!(exchange(&mut used, get).expect("answered").status, 200);
    for mut silent in silent {
        assert_eq!(silent.read(&mut [0; 100]).expect("closed"), 0);
    }
    assert_eq!(
        exchange(&mut used, get)
            .expect("it may be idle for long")
            .status,
        200
    );
}

#[test]
fn a_full_house_still_answers_for_its_health() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .args(["--max-connections", "3", "--read-timeout", "1h"])
        .start();
    let silent: Vec<_> = (0..3).map(|_| client(server.addr, "")).collect();
    for _ in 0..40 {
        assert_eq!(status(server.addr, "GET", "/api/health", None), 200);
        let refused = request(server.addr, "GET", "/api/missions", None).expect("answered");
        assert_eq!(refused.status, 503);
    }
    assert!(metric(
        server.addr,
        "tachikoma_connections_refused_total 40"
    ));
    drop(silent);
    eventually("a free place", || {
        (status(server.addr, "GET", "/api/missions", None) == 200).then_some(())
    });
}

#[test]
fn without_file_descriptors_health_says_so_and_the_log_stays_short() {
    let data = tempdir();
    let server = ServerBuilder::new(data.path())
        .after("ulimit -n 48")
        .args(["--read-timeout", "1h"])
        .start();
    let crowd: Vec<_> = (0..64).map(|_| client(server.addr, "")).collect();
    let mut said_so = 0;
    for _ in 0..30 {
        let answer = request(server.addr, "GET", "/api/health", None);
        if let Ok(answer) = answer {
            assert_eq!(answer.status, 503);
            let detail = answer.json()["detail"].to_string();
            assert!(detail.contains("file descriptor"), "{detail}");
            said_so += 1;
        }
    }
    // On a busy machine a client may be too slow to be told.
    assert!(said_so > 20, "{said_so} of 30 were told");
    let lines = server.log().matches("failed to accept").count();
    assert!((1..=3).contains(&lines), "{lines} lines:\n{}", server.log());
    drop(crowd);
    eventually("free file descriptors", || {
        let answer = request(server.addr, "GET", "/api/missions", None);
        answer
            .is_ok_and(|answer| answer.status == 200)
            .then_some(())
    });
}

/// Another program's transaction stands for a disk that takes seconds for a flush.
#[test]
fn health_does_not_wait_for_a_slow_disk_but_tells_of_a_stuck_one() {
    let data = tempdir();
    let server = Server::start(data.path());
    let health = || request(server.addr, "GET", "/api/health", None).expect("answered");
    let uptime = |answer: &Response| answer.json()["uptime_seconds"].as_u64().expect("a number");
    let first = health();
    assert_eq!(first.status, 200);
    let stuck = rusqlite::Connection::open(data.path().join("tachikoma.db")).expect("opens");
    stuck
        .execute_batch("BEGIN IMMEDIATE")
        .expect("the writer has a pause");
    let mut last = uptime(&first);
    // More than a second passes between the first answer and one of two seconds later.
    while last < uptime(&first) + 2 {
        let answer = health();
        assert_eq!(answer.status, 200, "after {last} s of uptime");
        last = uptime(&answer);
    }
    eventually("the word that it is stuck", || {
        (health().status == 503).then_some(())
    });
    drop(stuck);
    eventually("a good answer", || (health().status == 200).then_some(()));
}

#[test]
fn the_first_question_after_the_files_are_gone_is_answered_truly() {
    let data = tempdir();
    let server = Server::start(data.path());
    let health = || request(server.addr, "GET", "/api/health", None).expect("answered");
    assert_eq!(health().status, 200);
    std::fs::remove_file(data.path().join("tachikoma.db")).expect("removed");
    // As long as a good answer holds, nobody looks again.
    let asked = Instant::now();
    eventually("the good answer to be old", || {
        (asked.elapsed() > Duration::from_millis(1_100)).then_some(())
    });
    assert_eq!(health().status, 503);
}

/// A limit of no bytes at all stands for a full disk: every write fails, every read works.
#[test]
fn a_full_disk_lets_it_start_for_reading() {
    let data = tempdir();
    {
        let mut server = Server::start(data.path());
        assert_eq!(create(server.addr), 201);
        server.signal(Signal::TERM);
        server.wait();
    }
    let mut server = ServerBuilder::new(data.path())
        .after("trap '' XFSZ; ulimit -f 0")
        .start();
    assert_eq!(stored(server.addr), 1);
    assert_eq!(
        status(server.addr, "GET", "/api/specs/search?q=config", None),
        200
    );
    assert_eq!(status(server.addr, "GET", "/api/health", None), 503);
    assert_eq!(create(server.addr), 503);
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(0));
    let server = Server::start(data.path());
    assert_eq!(create(server.addr), 201);
    assert_eq!(stored(server.addr), 2);
}

#[test]
fn hangup_takes_a_new_key_over() {
    let (data, keys) = (tempdir(), tempdir());
    let file = keys.path().join("key");
    std::fs::write(&file, format!("{KEY}-old\n")).expect("written");
    let server = ServerBuilder::new(data.path())
        .env_remove("TACHIKOMA_API_KEY")
        .env("TACHIKOMA_API_KEY_FILE", file.to_str().expect("text"))
        .start();
    let get = || status(server.addr, "GET", "/api/missions", None);
    assert_eq!(get(), 401);
    std::fs::write(&file, "short").expect("written");
    server.signal(Signal::HUP);
    eventually("a line in the log", || {
        server
            .log()
            .contains("API key left as it was")
            .then_some(())
    });
    std::fs::write(&file, format!("{KEY}\n")).expect("written");
    server.signal(Signal::HUP);
    eventually("the new key", || (get() == 200).then_some(()));
}

#[test]
fn the_data_directory_is_nobody_elses_business() {
    let folder = tempdir();
    let data = folder.path().join("data");
    let _server = ServerBuilder::new(&data).start();
    let mode = std::fs::metadata(&data)
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}
