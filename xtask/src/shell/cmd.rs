//! A command to be started, and what becomes of its output.

use std::ffi::OsStr;
use std::fmt;
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Pid;

use super::{Ended, Process, Tail, groups, lines};

/// The most that [`Cmd::capture`] keeps of a child's standard output, in bytes.
const MAX_CAPTURE: u64 = 16 * 1024 * 1024;

/// Which of a child's two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A command to be started in a process group of its own, with nothing on its standard input.
pub struct Cmd {
    command: Command,
    stdin: Stdio,
}

/// What a short command left behind.
#[derive(Debug)]
pub struct Captured {
    /// How it ended.
    pub ended: Ended,
    /// Its standard output, at most 16 MiB.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: Tail,
}

impl Cmd {
    /// A command that runs `program`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            command: Command::new(program),
            stdin: Stdio::null(),
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable of the child's environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Removes a variable from the child's environment.
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Sets the child's working folder.
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Gives the child a pipe as standard input that ends when we do: its sign to end with its parent.
    pub fn tied_stdin(mut self) -> Self {
        self.stdin = Stdio::piped();
        self
    }

    /// Starts the command and hands over each line of its output, cleaned and bounded; the last ones are kept for errors.
    ///
    /// # Errors
    /// If the program is missing or cannot be started; the message names it.
    pub fn spawn(
        self,
        on_line: impl FnMut(Stream, &str) + Send + 'static,
    ) -> anyhow::Result<Process> {
        let tail = Tail::default();
        let mut readers = Vec::new();
        let (mut child, group) = self.start()?;
        let on_line = Arc::new(Mutex::new(on_line));
        if let Some(out) = child.stdout.take() {
            readers.push(read(Stream::Out, out, Arc::clone(&on_line), tail.clone()));
        }
        if let Some(err) = child.stderr.take() {
            readers.push(read(Stream::Err, err, on_line, tail.clone()));
        }
        Ok(Process::new(child, group, tail, readers))
    }

    /// Runs the command to its end and keeps its output; ends it after `limit` or when the run is interrupted.
    ///
    /// # Errors
    /// If it cannot be started, does not end within `limit`, or an interruption arrives. A failing exit code is not an
    /// error here: see [`Captured::ended`].
    pub fn capture(self, limit: Duration) -> anyhow::Result<Captured> {
        let shown = self.to_string();
        let (mut child, group) = self.start()?;
        let tail = Tail::default();
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let mut readers = Vec::new();
        if let Some(out) = child.stdout.take() {
            let kept = Arc::clone(&stdout);
            readers.push(std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _end_of_stream = out.take(MAX_CAPTURE).read_to_end(&mut bytes);
                *kept.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
            }));
        }
        if let Some(err) = child.stderr.take() {
            let ignore = Arc::new(Mutex::new(|_, _: &str| {}));
            readers.push(read(Stream::Err, err, ignore, tail.clone()));
        }
        let mut process = Process::new(child, group, tail.clone(), readers);
        let ended = process
            .wait_within(limit)?
            .with_context(|| format!("`{shown}` did not end within {} s", limit.as_secs_f64()))?;
        drop(process);
        let stdout = std::mem::take(&mut *stdout.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Captured {
            ended,
            stdout,
            stderr: tail,
        })
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that starts children"
    )]
    fn start(self) -> anyhow::Result<(Child, Pid)> {
        let shown = self.to_string();
        let Self { mut command, stdin } = self;
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        die_with_parent(&mut command);
        groups::ensure_guardian()?;
        let child = command
            .spawn()
            .with_context(|| format!("failed to start `{shown}`"))?;
        let group = Pid::from_child(&child);
        groups::add(group);
        Ok((child, group))
    }
}

impl fmt::Display for Cmd {
    /// The program and its arguments as a shell line, without the environment, where secrets are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quote = |part: &OsStr| {
            let part = part.to_string_lossy();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
            match !part.is_empty() && part.chars().all(plain) {
                true => part.into_owned(),
                false => format!("'{}'", part.replace('\'', r"'\''")),
            }
        };
        write!(f, "{}", quote(self.command.get_program()))?;
        self.command
            .get_args()
            .try_for_each(|arg| write!(f, " {}", quote(arg)))
    }
}

fn read(
    stream: Stream,
    input: impl Read + Send + 'static,
    on_line: Arc<Mutex<impl FnMut(Stream, &str) + Send + 'static>>,
    tail: Tail,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        lines::for_each_line(input, |line| {
            tail.push(line);
            on_line.lock().unwrap_or_else(PoisonError::into_inner)(stream, line);
        });
    })
}

/// Has the kernel end the child at once when we end, for the moment between its start and the guardian's knowing of it.
///
/// The signal belongs to the thread that starts the child, so children are started by threads that live as long as the
/// run does.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "`pre_exec` is the only way to run code between fork and exec"
)]
fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_command: &mut Command) {}
