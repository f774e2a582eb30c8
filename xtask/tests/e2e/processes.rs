//! Looking for the processes of a run, whatever has become of their parents.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The processes that have `path` in their environment.
pub fn processes_with(path: &Path) -> Vec<u32> {
    let needle = path.as_os_str().as_encoded_bytes();
    let has = |pid: &u32| {
        let mut environment = Vec::new();
        let read = File::open(format!("/proc/{pid}/environ"))
            .and_then(|mut f| f.read_to_end(&mut environment));
        read.is_ok()
            && environment
                .windows(needle.len())
                .any(|window| window == needle)
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .filter(has)
        .collect()
}

/// Asserts that within `patience` no process of the run with these results is left, and with them no listener.
#[track_caller]
pub fn nothing_left(results: &Path, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        let left = processes_with(results);
        if left.is_empty() {
            return;
        }
        if Instant::now() >= until {
            let lines: Vec<_> = left.iter().map(|pid| command_line(*pid)).collect();
            // A test that fails must not leave them either.
            for pid in left.iter().filter_map(|pid| i32::try_from(*pid).ok()) {
                let pid = Pid::from_raw(pid).unwrap();
                let _gone = rustix::process::kill_process(pid, Signal::KILL);
            }
            panic!("left behind: {lines:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The command line of a process.
pub fn command_line(pid: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}
