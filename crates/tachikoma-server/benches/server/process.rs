//! The bare handler's process, and what the kernel knows of any process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The argument that makes this program be the bare handler.
pub const BARE: &str = "--bare";

/// The bare handler in a process of its own.
pub struct Bare {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Bare {
    /// Starts this very program once more.
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command
            .arg(BARE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        #[expect(
            clippy::disallowed_methods,
            reason = "the guard ends the process, and so does the end of its stdin"
        )]
        let mut child = command.spawn().expect("the bare server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout is a pipe"))
            .read_line(&mut line)
            .expect("stdout is text");
        let addr = line.trim().parse().expect("an address");
        Self { child, addr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
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
