//! The processes under measurement, and what the kernel knows of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The key that the server asks for.
pub const KEY: &str = "the-key-of-benches";

/// The argument that makes this program be the bare handler; its folder follows.
pub const BARE: &str = "--bare";

/// A process that says on stdout where it listens. It ends with its guard, or with its stdin.
pub struct Process {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Process {
    /// The server as it is shipped, with some more arguments, on `dir/data` and `dir/specs`; its log is `dir/server.log`.
    pub fn server(dir: &Path, more: &[&str]) -> Self {
        let specs = dir.join("specs");
        std::fs::create_dir_all(&specs).expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tachikoma-server"));
        command
            .args(["--addr", "127.0.0.1:0", "--exit-with-parent", "--data-dir"])
            .arg(dir.join("data"))
            .arg("--specs-dir")
            .arg(specs)
            .args(more)
            .env("TACHIKOMA_API_KEY", KEY)
            .env_remove("RUST_LOG")
            .stderr(File::create(dir.join("server.log")).expect("a file"));
        Self::start(command)
    }

    /// The bare handler: this very program once more, with its missions in `dir/bare`.
    pub fn bare(dir: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        command.arg(BARE).arg(dir.join("bare"));
        Self::start(command)
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        #[expect(
            clippy::disallowed_methods,
            reason = "the guard ends the process, and so does the end of its stdin"
        )]
        let mut child = command.spawn().expect("the process starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut line)
            .expect("stdout is text");
        let addr = line.trim().trim_start_matches("listening on http://");
        let addr = addr.parse().expect("the process says where it listens");
        Self { child, addr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of all living threads of a process (`schedstat` of proc(5), nanoseconds).
pub fn cpu(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
    let nanos = tasks.flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Resident memory of a process (`VmRSS` of proc(5)), in MiB.
pub fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: f64 = number.and_then(|n| n.parse().ok()).expect("a size in kB");
    kib / 1024.0
}
