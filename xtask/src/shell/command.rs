//! Command lines: written down with xshell's [`cmd!`], started by [`spawn`] or [`capture`](super::capture()).

use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use rustix::process::Pid;
pub use xshell::{Cmd, Shell, cmd};

use super::{Process, Tail, groups, lines, locked};

/// The variable with the API key.
const KEY: &str = "API_KEY";

/// Which of a child's two streams a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What [`cmd!`] needs: this program's working folder and environment.
///
/// # Errors
/// If the working folder is gone.
pub fn here() -> anyhow::Result<Shell> {
    Shell::new().context("failed to find the working folder")
}

/// As [`here`], in the folder `dir`.
///
/// # Errors
/// As [`here`].
pub fn at(dir: &Path) -> anyhow::Result<Shell> {
    let sh = here()?;
    sh.change_dir(dir);
    Ok(sh)
}

/// Starts the command and hands over each line of its output, cleaned and bounded; the last ones are kept for errors.
///
/// # Errors
/// If the program is missing or cannot be started; the message names it.
pub fn spawn(
    cmd: Cmd<'_>,
    on_line: impl FnMut(Stream, &str) + Send + 'static,
) -> anyhow::Result<Process> {
    follow(start(cmd, Stdio::null())?, on_line)
}

/// As [`spawn`], with a pipe as the child's standard input that ends when we do: its sign to end with its parent.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_tied(
    cmd: Cmd<'_>,
    on_line: impl FnMut(Stream, &str) + Send + 'static,
) -> anyhow::Result<Process> {
    follow(start(cmd, Stdio::piped())?, on_line)
}

/// Starts the command and hands over what it writes to standard output as it comes, for lines of any length, and nothing at
/// its end; the last lines of standard error are kept.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_raw(
    cmd: Cmd<'_>,
    mut on_bytes: impl FnMut(&[u8]) + Send + 'static,
) -> anyhow::Result<Process> {
    let (mut child, group) = start(cmd, Stdio::null())?;
    let tail = Tail::default();
    let mut readers = Vec::new();
    if let Some(mut out) = child.stdout.take() {
        readers.push(std::thread::spawn(move || {
            let mut chunk = [0_u8; 16 * 1024];
            while let Ok(read @ 1..) = out.read(&mut chunk) {
                on_bytes(&chunk[..read]);
            }
            on_bytes(&[]);
        }));
    }
    if let Some(err) = child.stderr.take() {
        let ignore = Arc::new(Mutex::new(|_, _: &str| {}));
        readers.push(read(Stream::Err, err, ignore, tail.clone()));
    }
    Ok(Process::new(child, group, tail, readers))
}

fn follow(
    (mut child, group): (Child, Pid),
    on_line: impl FnMut(Stream, &str) + Send + 'static,
) -> anyhow::Result<Process> {
    let tail = Tail::default();
    let mut readers = Vec::new();
    let on_line = Arc::new(Mutex::new(on_line));
    if let Some(out) = child.stdout.take() {
        readers.push(read(Stream::Out, out, Arc::clone(&on_line), tail.clone()));
    }
    if let Some(err) = child.stderr.take() {
        readers.push(read(Stream::Err, err, on_line, tail.clone()));
    }
    Ok(Process::new(child, group, tail, readers))
}

/// Reads a stream to its end in a thread of its own.
pub(super) fn read(
    stream: Stream,
    input: impl Read + Send + 'static,
    on_line: Arc<Mutex<impl FnMut(Stream, &str) + Send + 'static>>,
    tail: Tail,
) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        lines::for_each_line(input, |line| {
            tail.push(line);
            locked(&on_line)(stream, line);
        });
    })
}

/// Starts the command in a process group of its own, known to the guardian. The key is given to those children only
/// for which the command sets it.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that starts children"
)]
pub(super) fn start(cmd: Cmd<'_>, stdin: Stdio) -> anyhow::Result<(Child, Pid)> {
    let shown = cmd.to_string();
    let mut command = Command::from(cmd);
    if !command.get_envs().any(|(name, _)| name == KEY) {
        command.env_remove(KEY);
    }
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
