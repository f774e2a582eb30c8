//! `cargo xtask k6` as people call it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything here may take on a busy machine with a slow network.
const PATIENCE: Duration = Duration::from_secs(300);

fn start(args: &[&str], target: &Path, releases: &str) -> Child {
    start_with(None, args, target, releases)
}

/// Starts `cargo xtask k6 ARGS`, with `k6_bin` in `K6_BIN`, or without that variable.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests drive the program from outside"
)]
fn start_with(k6_bin: Option<&str>, args: &[&str], target: &Path, releases: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    match k6_bin {
        Some(k6_bin) => command.env("K6_BIN", k6_bin),
        None => command.env_remove("K6_BIN"),
    };
    command
        .arg("k6")
        .args(args)
        .env("CARGO_TARGET_DIR", target)
        .env("TACHIKOMA_K6_RELEASES", releases)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn end(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An address where nobody listens.
fn refused() -> String {
    format!(
        "http://{}",
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
    )
}

fn kept(target: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(target.join("k6"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<_> = entries
        .map(|e| e.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn two_installations_at_once_end_with_one_k6_that_a_run_would_use() {
    let target = tempfile::tempdir().unwrap();
    let both = [(), ()].map(|()| start(&["install", "1.1.0"], target.path(), &refused()));
    let both = both.map(end);
    let program = target.path().join("k6/1.1.0/k6");
    for one in &both {
        assert!(one.status.success(), "{}", text(&one.stderr));
        assert_eq!(PathBuf::from(text(&one.stdout).trim_end()), program);
    }
    let installed = both
        .iter()
        .filter(|one| text(&one.stderr).contains("installed k6 1.1.0"));
    assert_eq!(installed.count(), 1);
    assert_eq!(kept(target.path()), [".lock", "1.1.0"]);

    let named = program.to_str().unwrap();
    let version = end(start_with(
        Some(named),
        &["version"],
        target.path(),
        &refused(),
    ));
    assert_eq!(
        text(&version.stdout),
        "1.1.0\n",
        "{}",
        text(&version.stderr)
    );
}

#[test]
fn an_interrupted_download_ends_at_once_and_leaves_nothing() {
    let target = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let releases = format!("http://{}", listener.local_addr().unwrap());
    let mut child = start(&["install", "2.2.0"], target.path(), &releases);
    // The answer begins and never ends.
    let mut stream = accept(&listener, &mut child);
    let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
    while request.next().unwrap().is_ok_and(|line| !line.is_empty()) {}
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\nbegin")
        .unwrap();
    assert!(
        kept(target.path())
            .iter()
            .any(|name| name.starts_with(".staging-"))
    );

    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let ended = end(child);
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert!(text(&ended.stdout).is_empty());
    assert_eq!(kept(target.path()), [".lock"]);
    assert_hung_up(&mut stream);
}

/// The connection of `child`, which must not end before.
fn accept(listener: &TcpListener, child: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let until = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none() && Instant::now() < until,
            "it never asked: {ended:?}"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The other side has closed the connection.
fn assert_hung_up(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let reset = read
        .as_ref()
        .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset);
    assert!(read.is_ok() || reset, "{read:?}");
}

#[test]
fn without_a_k6_the_exit_code_is_3_and_stdout_stays_empty() {
    let target = tempfile::tempdir().unwrap();
    for action in ["path", "version"] {
        let ended = end(start_with(
            Some("/nowhere/k6"),
            &[action],
            target.path(),
            &refused(),
        ));
        assert_eq!(ended.status.code(), Some(3));
        assert!(ended.stdout.is_empty());
        assert!(text(&ended.stderr).contains("/nowhere/k6: there is no such file"));
    }
    let unpinned = end(start(&["install", "9.9.9"], target.path(), &refused()));
    assert_eq!(unpinned.status.code(), Some(3));
    assert!(
        text(&unpinned.stderr).contains("0.57.0, 1.1.0, 2.2.0"),
        "{}",
        text(&unpinned.stderr)
    );
    let mirror = end(start(&["install"], target.path(), "mirror.example"));
    assert_eq!(mirror.status.code(), Some(3));
    assert!(
        text(&mirror.stderr).contains("TACHIKOMA_K6_RELEASES"),
        "{}",
        text(&mirror.stderr)
    );
}
