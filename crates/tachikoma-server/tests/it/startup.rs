//! Starting and stopping the real binary: every mistake has its own message, before the port is
//! open, and every end is in good order.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common::{
    KEY, MISSION, Server, ServerBuilder, eventually, exchange, metric, request, status, tempdir,
};
use rustix::process::Signal;

/// Starts a server that must refuse, with this status and these words, and say nothing on stdout.
#[track_caller]
fn refused(builder: ServerBuilder, status: i32, words: &[&str]) -> String {
    let output = builder.output();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{message}");
    assert!(
        output.stdout.is_empty(),
        "it listened: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    message
}

#[test]
fn a_key_is_required() {
    let data = tempdir();
    let key_file = data.path().join("key");
    let path = key_file.to_str().expect("text");
    let with = |key: &str| ServerBuilder::new(data.path()).env("TACHIKOMA_API_KEY", key);
    let file_only = || with("").env("TACHIKOMA_API_KEY_FILE", path);
    refused(with(""), 2, &["no API key", "TACHIKOMA_API_KEY"]);
    let short = refused(with("s3cr3tk"), 2, &["7 characters", "8"]);
    assert!(!short.contains("s3cr3tk"));
    refused(with("with a space"), 2, &["visible ASCII"]);
    let both = with(KEY).env("TACHIKOMA_API_KEY_FILE", path);
    refused(both, 2, &["both", "unset one"]);
    refused(file_only(), 2, &["failed to read the API key", path]);
    std::fs::write(&key_file, "short\n").expect("written");
    refused(file_only(), 2, &[path, "5 characters"]);
    std::fs::write(&key_file, format!("{KEY}\n")).expect("written");
    let server = file_only().start();
    assert_eq!(status(server.addr, "GET", "/api/missions", None), 200);
}

#[test]
fn options_are_checked() {
    let data = tempdir();
    let new = || ServerBuilder::new(data.path());
    refused(new().args(["--addr", "nowhere"]), 2, &["--addr", "nowhere"]);
    let soon = new().args(["--request-timeout", "soon"]);
    refused(soon, 2, &["--request-timeout", "500ms"]);
    refused(new().args(["--api-key", "x"]), 2, &["--api-key-file"]);
    refused(new().env("RUST_LOG", "a=b=c"), 2, &["RUST_LOG", "a=b=c"]);
    #[cfg(not(feature = "faults"))]
    {
        let faults = new().env("TACHIKOMA_FAULTS", "GET /api/health: latency=1s");
        let allowed = faults.env("TACHIKOMA_ALLOW_FAULTS", "1");
        let words = [
            "TACHIKOMA_FAULTS",
            "cannot inject faults",
            "--features faults",
        ];
        refused(allowed, 2, &words);
    }
}

#[test]
fn the_data_directory_must_be_usable() {
    let folder = tempdir();
    let file = folder.path().join("file");
    std::fs::write(&file, "").expect("written");
    let words = ["data directory", file.to_str().expect("text"), "--data-dir"];
    refused(ServerBuilder::new(&file), 1, &words);
    refused(ServerBuilder::new(&file.join("below")), 1, &words);
    if !rustix::process::geteuid().is_root() {
        let read_only = std::fs::Permissions::from_mode(0o555);
        std::fs::set_permissions(folder.path(), read_only).expect("read only");
        let new = folder.path().join("new");
        refused(ServerBuilder::new(&new), 1, &["data directory", "denied"]);
    }
    // For root, to whom permissions do not apply, this file system takes no files at all.
    let proc = ServerBuilder::new(Path::new("/proc/tachikoma"));
    refused(proc, 1, &["data directory", "/proc"]);
}

#[test]
fn one_data_directory_has_one_server() {
    let data = tempdir();
    let first = Server::start(data.path());
    let pid = first.pid().as_raw_nonzero().to_string();
    let path = data.path().to_str().expect("text");
    refused(
        ServerBuilder::new(data.path()),
        1,
        &["in use by another", &pid, path],
    );
    assert_eq!(status(first.addr, "GET", "/api/health", None), 200);
}

#[test]
fn a_crash_leaves_no_lock_behind() {
    let data = tempdir();
    Server::start(data.path()).kill();
    Server::start(data.path());
}

#[test]
fn a_locked_database_is_named() {
    let data = tempdir();
    Server::start(data.path()).kill();
    let path = data.path().join("tachikoma.db");
    let other = rusqlite::Connection::open(&path).expect("opens");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locks");
    refused(
        ServerBuilder::new(data.path()),
        1,
        &["locked by another program", "tachikoma.db"],
    );
}

#[test]
fn a_corrupted_database_is_refused_and_left_alone() {
    let data = tempdir();
    let path = data.path().join("tachikoma.db");
    std::fs::write(
        &path,
        "this is no database at all, but long enough to be read as one".repeat(99),
    )
    .expect("written");
    let before = std::fs::read(&path).expect("read");
    refused(
        ServerBuilder::new(data.path()),
        1,
        &["corrupted", "tachikoma.db", "backup"],
    );
    assert_eq!(std::fs::read(&path).expect("read"), before);
}

#[test]
fn damage_deep_inside_is_found_at_the_start() {
    let data = tempdir();
    {
        let mut server = Server::start(data.path());
        let prompt = "x".repeat(3_000);
        let body = format!(r#"{{"name":"n","prompt":"{prompt}","backend":"mock"}}"#);
        for _ in 0..20 {
            let answer = request(server.addr, "POST", "/api/missions", Some(&body));
            assert_eq!(answer.expect("answered").status, 201);
        }
        server.signal(Signal::TERM);
        server.wait();
    }
    let path = data.path().join("tachikoma.db");
    let mut bytes = std::fs::read(&path).expect("read");
    let damaged = 6 * 4096..7 * 4096;
    assert!(bytes.len() > damaged.end, "{} bytes", bytes.len());
    bytes[damaged].fill(0xee);
    std::fs::write(&path, bytes).expect("written");
    refused(
        ServerBuilder::new(data.path()),
        1,
        &["corrupted", "tachikoma.db"],
    );
}

#[test]
fn a_newer_or_foreign_database_is_refused_and_left_alone() {
    for (sql, words) in [
        ("PRAGMA user_version = 99", ["version 99", "newer server"]),
        ("PRAGMA application_id = 7", ["another program", "0x7"]),
    ] {
        let data = tempdir();
        let mut server = Server::start(data.path());
        server.signal(Signal::TERM);
        server.wait();
        let path = data.path().join("tachikoma.db");
        rusqlite::Connection::open(&path)
            .and_then(|connection| connection.execute_batch(sql))
            .expect("changed");
        let before = std::fs::read(&path).expect("read");
        refused(ServerBuilder::new(data.path()), 1, &words);
        assert_eq!(std::fs::read(&path).expect("read"), before, "{sql}");
    }
}

#[test]
fn the_specs_must_be_usable() {
    let (data, specs) = (tempdir(), tempdir());
    let with = |folder: &Path| {
        ServerBuilder::new(data.path()).args(["--specs-dir", folder.to_str().expect("text")])
    };
    let missing = specs.path().join("missing");
    let name = missing.to_str().expect("text");
    refused(with(&missing), 1, &["specs", name, "--specs-dir"]);
    let write = |name: &str, text: &[u8]| {
        std::fs::write(specs.path().join(name), text).expect("written");
    };
    write("001-bad.md", b"# ok\n\xff\xfe");
    refused(with(specs.path()), 1, &["001-bad.md", "UTF-8", "index 5"]);
    write("001-bad.md", &vec![b'x'; 1024 * 1024 + 1]);
    refused(with(specs.path()), 1, &["001-bad.md", "1048577 bytes"]);
    write("001-bad.md", b"# fine\n");
    write("001-again.md", b"# same\n");
    refused(
        with(specs.path()),
        1,
        &["001-again.md", "001-bad.md", "both"],
    );
}

#[test]
fn a_port_that_is_taken_is_named() {
    let data = tempdir();
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = holder.local_addr().expect("an address").to_string();
    let builder = ServerBuilder::new(data.path()).args(["--addr", &addr]);
    refused(builder, 1, &["failed to listen", &addr, "in use", "--addr"]);
}

#[test]
fn stdout_carries_one_line_and_no_log_has_the_key() {
    let data = tempdir();
    let mut server = ServerBuilder::new(data.path())
        .env("RUST_LOG", "trace")
        .start();
    for path in [
        "/api/missions",
        &format!("/ws?token={KEY}"),
        "/api/specs/search?q=private",
    ] {
        request(server.addr, "GET", path, None).expect("answered");
    }
    server.signal(Signal::TERM);
    let (status, rest) = server.wait();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
    let log = server.log();
    assert!(!log.contains("Bearer"), "{log}");
    for line in log.lines() {
        // At level trace the HTTP library shows the bytes that it reads; our own lines never do.
        assert!(
            !line.contains(" tachikoma_server") || !line.contains(KEY),
            "{line}"
        );
    }
    let own = |line: &str| {
        line.contains(" tachikoma_server::observe: ") && line.contains("route=\"/ws\"")
    };
    assert!(log.lines().any(own), "{log}");
}

#[test]
fn signals_and_the_end_of_stdin_stop_it() {
    for signal in [Signal::TERM, Signal::INT] {
        let data = tempdir();
        let mut server = Server::start(data.path());
        server.signal(signal);
        assert_eq!(server.wait().0.code(), Some(0));
        assert!(
            TcpStream::connect(server.addr).is_err(),
            "the port is still open"
        );
    }
    let data = tempdir();
    let mut server = ServerBuilder::new(data.path())
        .args(["--exit-with-parent"])
        .start();
    let mut stdin = server.stdin.take().expect("a pipe");
    stdin.write_all(b"input is ignored\n").expect("written");
    assert_eq!(status(server.addr, "GET", "/api/health", None), 200);
    drop(stdin);
    assert_eq!(server.wait().0.code(), Some(0));
    assert!(server.log().contains("end of stdin"));
}

#[test]
fn without_the_option_the_end_of_stdin_is_nothing() {
    let data = tempdir();
    let mut server = Server::start(data.path());
    drop(server.stdin.take());
    for _ in 0..20 {
        assert_eq!(status(server.addr, "GET", "/api/health", None), 200);
    }
    server.signal(Signal::TERM);
    server.wait();
    assert!(!server.log().contains("end of stdin"));
}

#[test]
fn a_request_in_flight_is_answered_before_the_end() {
    let data = tempdir();
    let mut server = Server::start(data.path());
    let body = MISSION;
    let mut stream = TcpStream::connect(server.addr).expect("connects");
    let head = format!(
        "POST /api/missions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).expect("written");
    eventually("the request to be in flight", || {
        metric(server.addr, "tachikoma_http_requests_in_flight 2").then_some(())
    });
    server.signal(Signal::TERM);
    eventually("the port to close", || {
        TcpStream::connect(server.addr).is_err().then_some(())
    });
    let answer = exchange(&mut stream, body.as_bytes()).expect("answered");
    assert_eq!(answer.status, 201);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn a_client_that_does_not_finish_cannot_delay_the_end() {
    let data = tempdir();
    let mut server = ServerBuilder::new(data.path())
        .args(["--shutdown-timeout", "300ms"])
        .start();
    let mut stream = TcpStream::connect(server.addr).expect("connects");
    stream
        .write_all(b"GET /api/health HTTP/1.1\r\nhost:")
        .expect("written");
    request(server.addr, "GET", "/api/health", None).expect("answered");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().0.code(), Some(0));
}

#[test]
fn hangup_takes_new_specs_over() {
    let (data, specs) = (tempdir(), tempdir());
    std::fs::write(specs.path().join("001-first.md"), "# First\n").expect("written");
    let server = ServerBuilder::new(data.path())
        .args(["--specs-dir", specs.path().to_str().expect("text")])
        .start();
    let get = |path: &str| request(server.addr, "GET", path, None).expect("answered");
    assert_eq!(get("/api/specs/002").status, 404);
    std::fs::write(specs.path().join("002-second.md"), "# Second\n").expect("written");
    server.signal(Signal::HUP);
    eventually("the new spec", || {
        (get("/api/specs/002").status == 200).then_some(())
    });
    std::fs::write(specs.path().join("003-bad.md"), b"\xff").expect("written");
    server.signal(Signal::HUP);
    eventually("a line in the log", || {
        server.log().contains("003-bad.md").then_some(())
    });
    assert_eq!(
        get("/api/specs/002").status,
        200,
        "a broken file changes nothing"
    );
}
