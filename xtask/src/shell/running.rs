//! A process that was started, until it has ended.

use std::process::Child;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};

use super::{Ended, Tail, groups};
use crate::shell::interrupt;

/// How often a child that was told to end is asked whether it has: short, since teardown waits for it.
const POLL: Duration = Duration::from_millis(5);
/// How long a wait for a child sleeps at first and at most between two questions: short commands are not held up, and
/// long ones cost next to nothing.
const POLL_FIRST: Duration = Duration::from_millis(1);
const POLL_LAST: Duration = Duration::from_millis(10);
/// How long the rest of a dead child's output is waited for: a grandchild may hold the pipe open.
const LAST_OUTPUT: Duration = Duration::from_millis(500);

/// A running process with its whole process group; dropping it ends it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    tail: Tail,
    readers: Vec<JoinHandle<()>>,
    ended: Option<Ended>,
}

impl Process {
    pub(super) fn new(child: Child, group: Pid, tail: Tail, readers: Vec<JoinHandle<()>>) -> Self {
        Self {
            child,
            group,
            tail,
            readers,
            ended: None,
        }
    }

    /// The process id, which is its group's id too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The last lines of its output so far.
    pub fn tail(&self) -> &Tail {
        &self.tail
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn try_wait(&mut self) -> anyhow::Result<Option<Ended>> {
        if self.ended.is_none()
            && let Some(status) = self
                .child
                .try_wait()
                .context("failed to wait for a child")?
        {
            self.ended = Some(status.into());
            self.clean_up();
        }
        Ok(self.ended)
    }

    /// Waits for the end, at most `limit`; `None` if it still runs then.
    ///
    /// # Errors
    /// If an interruption arrives meanwhile.
    pub fn wait_within(&mut self, limit: Duration) -> anyhow::Result<Option<Ended>> {
        self.wait(limit, |poll| Ok(interrupt::pause(poll)?))
    }

    /// As [`Process::wait_within`], after an interruption too.
    ///
    /// # Errors
    /// If the operating system cannot tell.
    pub fn wait_anyway(&mut self, limit: Duration) -> anyhow::Result<Option<Ended>> {
        self.wait(limit, |poll| {
            std::thread::sleep(poll);
            Ok(())
        })
    }

    fn wait(
        &mut self,
        limit: Duration,
        pause: impl Fn(Duration) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<Ended>> {
        let until = Instant::now() + limit;
        let mut poll = POLL_FIRST;
        loop {
            if let Some(ended) = self.try_wait()? {
                return Ok(Some(ended));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            pause(poll.min(left))?;
            poll = (poll * 2).min(POLL_LAST);
        }
    }

    /// Sends `signal` to the whole group.
    pub fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ended_meanwhile = kill_process_group(self.group, signal);
        }
    }

    /// Ends it: `signal`, then after `grace` SIGKILL, to the whole group. An interruption does not shorten the grace; a
    /// second one ends this program anyway.
    pub fn stop(&mut self, signal: Signal, grace: Duration) -> Ended {
        if let Ok(Some(ended)) = self.try_wait() {
            return ended;
        }
        self.signal(signal);
        // A stopped process handles a signal only once it continues.
        self.signal(Signal::CONT);
        let until = Instant::now() + grace;
        while Instant::now() < until {
            if let Ok(Some(ended)) = self.try_wait() {
                return ended;
            }
            std::thread::sleep(POLL);
        }
        self.signal(Signal::KILL);
        let ended = self.child.wait().map_or(Ended::Signal(9), Ended::from);
        self.ended = Some(ended);
        self.clean_up();
        ended
    }

    /// Ends what is left of the group and waits for the last lines of output.
    fn clean_up(&mut self) {
        let _nobody_left = kill_process_group(self.group, Signal::KILL);
        groups::remove(self.group);
        let until = Instant::now() + LAST_OUTPUT;
        for reader in self.readers.drain(..) {
            while !reader.is_finished() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// How many files process `pid` may have open, where the system says so (proc(5)).
pub fn may_open(pid: u32) -> Option<u64> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let mut lines = limits.lines();
    let limit = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    limit.split_whitespace().next()?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop(Signal::TERM, Duration::from_secs(2));
    }
}
