//! The process groups that are alive, known to this process and to its guardian.
//!
//! The guardian is this very program, started once and in a group of its own, that waits for the end of its standard
//! input. That end comes however this process ends, even by SIGKILL; then the guardian ends every group that it was
//! told of and not told of the end of.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

use super::locked;

/// The hidden command word that makes this program a guardian.
pub const GUARDIAN: &str = "__guardian";
/// How long the guardian lets a group end by itself; a whole clean-up stays below two seconds.
const GRACE: Duration = Duration::from_millis(1000);

static LIVE: Mutex<LiveGroups> = Mutex::new(LiveGroups {
    groups: Vec::new(),
    guardian: None,
});

struct LiveGroups {
    groups: Vec<Pid>,
    guardian: Option<ChildStdin>,
}

/// Starts the guardian unless it runs.
///
/// # Errors
/// If this program cannot be started once more.
#[expect(
    clippy::disallowed_methods,
    reason = "the guardian outlives us, so `start` cannot be its way"
)]
pub fn ensure_guardian() -> anyhow::Result<()> {
    let mut live = locked(&LIVE);
    if live.guardian.is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().context("failed to find this program's own file")?;
    let mut child = Command::new(&program)
        .arg(GUARDIAN)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("failed to start {} as guardian", program.display()))?;
    live.guardian = child.stdin.take();
    Ok(())
}

/// Notes a group as alive.
pub fn add(group: Pid) {
    let mut live = locked(&LIVE);
    live.groups.push(group);
    live.tell('+', group);
}

/// Notes a group as ended.
pub fn remove(group: Pid) {
    let mut live = locked(&LIVE);
    live.groups.retain(|g| *g != group);
    live.tell('-', group);
}

/// Sends SIGKILL to every group that is alive.
pub fn kill_all() {
    let live = locked(&LIVE);
    for group in &live.groups {
        let _gone_already = kill_process_group(*group, Signal::KILL);
    }
}

impl LiveGroups {
    fn tell(&mut self, sign: char, group: Pid) {
        if let Some(pipe) = &mut self.guardian
            && writeln!(pipe, "{sign}{}", group.as_raw_nonzero()).is_err()
        {
            // A guardian that was killed cannot help any more; the next child starts another.
            self.guardian = None;
        }
    }
}

/// The guardian's whole life: reads groups until its input ends, then ends those that are left.
pub fn guard() {
    let mut groups: Vec<Pid> = Vec::new();
    for line in BufReader::new(std::io::stdin())
        .lines()
        .map_while(Result::ok)
    {
        let Some((sign, number)) = line.split_at_checked(1) else {
            continue;
        };
        let Some(group) = number.parse().ok().and_then(Pid::from_raw) else {
            continue;
        };
        match sign {
            "+" => groups.push(group),
            _ => groups.retain(|g| *g != group),
        }
    }
    for group in &groups {
        let _gone = kill_process_group(*group, Signal::TERM);
        let _gone = kill_process_group(*group, Signal::CONT);
    }
    let until = Instant::now() + GRACE;
    while groups.iter().any(|g| test_kill_process_group(*g).is_ok()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    for group in &groups {
        let _gone = kill_process_group(*group, Signal::KILL);
    }
}
