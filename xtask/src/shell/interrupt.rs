//! Ctrl-C, SIGTERM and SIGHUP: the first one asks the run to end in order, a second one ends it at once.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::{groups, locked};
use crate::ui;

/// How long the signal thread waits for its message to be written: a reader that has stopped reading must not block it.
const SAYING: Duration = Duration::from_millis(200);

/// How often interruptions are looked at while something else is waited for.
const TICK: Duration = Duration::from_millis(50);

/// The first signal that arrived.
static FIRST: Mutex<Option<i32>> = Mutex::new(None);
/// What a second signal leaves for the user to do.
static LEFT_TO_DO: Mutex<Option<String>> = Mutex::new(None);
/// Wakes whoever waits in [`pause`].
static ARRIVED: Condvar = Condvar::new();
static LISTENING: OnceLock<()> = OnceLock::new();

/// The run was asked to end by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted by {}", name(*.0))]
pub struct Interrupted(pub i32);

impl Interrupted {
    /// The exit code by the shell's convention: 128 and the signal's number, hence 130 for Ctrl-C and 143 for SIGTERM.
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(130)
    }
}

/// Begins to listen. From here on a signal no longer ends this process by itself.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn listen() -> anyhow::Result<()> {
    if LISTENING.set(()).is_err() {
        return Ok(());
    }
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).context("failed to install the signal handlers")?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                arrived(signal);
            }
        })
        .context("failed to start the signal thread")?;
    Ok(())
}

fn arrived(signal: i32) {
    let mut first = locked(&FIRST);
    if first.is_none() {
        *first = Some(signal);
        ARRIVED.notify_all();
        drop(first);
        say(format!(
            "{}: stopping the run and keeping what was measured; press Ctrl-C again to stop at once",
            name(signal)
        ));
        return;
    }
    // The user does not want to wait: no drain, no report, but no process left either.
    groups::kill_all();
    let left = locked(&LEFT_TO_DO).take();
    say(format!(
        "{} again: stopped at once; nothing more was kept{}",
        name(signal),
        left.map_or_else(String::new, |left| format!("; {left}"))
    ));
    std::process::exit(i32::from(Interrupted(signal).exit_code()));
}

/// Says it on standard error, which may be closed, or held by a writer that a full pipe holds up.
fn say(text: String) {
    let (done, said) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        ui::info(&text);
        drop(done);
    });
    let _said_or_not = said.recv_timeout(SAYING);
}

/// From here on, says what is left for the user to do if a second signal ends this program at once; nothing if `None`.
pub fn leaves(what: Option<String>) {
    *locked(&LEFT_TO_DO) = what;
}

/// The interruption, if one has arrived.
pub fn pending() -> Option<Interrupted> {
    locked(&FIRST).map(Interrupted)
}

/// Fails if an interruption has arrived: called between the steps of a run.
///
/// # Errors
/// The [`Interrupted`] itself.
pub fn check() -> Result<(), Interrupted> {
    pending().map_or(Ok(()), Err)
}

/// Waits for `time`, or less if an interruption arrives (or has arrived before).
///
/// # Errors
/// The [`Interrupted`] itself.
pub fn pause(time: Duration) -> Result<(), Interrupted> {
    let until = Instant::now() + time;
    let mut first = locked(&FIRST);
    loop {
        if let Some(signal) = *first {
            return Err(Interrupted(signal));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        (first, _) = ARRIVED
            .wait_timeout(first, left)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// What comes next by `until`, if anything does.
///
/// # Errors
/// The [`Interrupted`] itself, if it is waited for; if nobody is left to send anything.
pub fn receive<T>(from: &Receiver<T>, until: Instant) -> anyhow::Result<Option<T>> {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        // At least a moment, for what came just now.
        match from.recv_timeout(left.clamp(Duration::from_millis(1), TICK)) {
            Ok(item) => return Ok(Some(item)),
            Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(None),
            Err(RecvTimeoutError::Timeout) => check()?,
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!(
                "the thread that was waited for ended without a result, which is a bug of the orchestrator"
            ),
        }
    }
}

fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "Ctrl-C",
        SIGTERM => "SIGTERM",
        SIGHUP => "SIGHUP",
        _ => "a signal",
    }
}
