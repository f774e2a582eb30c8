//! A real server process on a free port, ended when its guard is dropped.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The key that the servers under test ask for.
pub const KEY: &str = "proof-of-the-server";

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_tachikoma-server");

/// A running server. It also ends by itself when this process dies, since its stdin ends then.
pub struct Server {
    child: Child,
    log: PathBuf,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts a server on the data directory `dir/data`, with further options, and waits until it
    /// says where it listens. Its log is appended to `dir/server.log`.
    pub fn start(dir: &Path, options: &[&str]) -> Self {
        let log = dir.join("server.log");
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("the log opens");
        let specs = dir.join("specs");
        std::fs::create_dir_all(&specs).expect("the specs folder is made");
        let mut command = Command::new(PROGRAM);
        command
            .args(["--addr", "127.0.0.1:0", "--exit-with-parent", "--data-dir"])
            .arg(dir.join("data"))
            .arg("--specs-dir")
            .arg(&specs)
            .args(options)
            .env("TACHIKOMA_API_KEY", KEY)
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        #[expect(
            clippy::disallowed_methods,
            reason = "the guard ends the process, and so does the end of its stdin"
        )]
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut line)
            .expect("stdout is text");
        let addr = line.trim().strip_prefix("listening on http://");
        let Some(addr) = addr.and_then(|addr| addr.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            panic!("the server did not start: it said {line:?}, and its log is:\n{log}");
        };
        Self { child, log, addr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it and its predecessors in the same directory have logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log is readable")
    }
}

impl Drop for Server {
    /// `SIGKILL`, which no server can prepare for.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
