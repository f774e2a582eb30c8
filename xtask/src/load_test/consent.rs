//! Whether much load may go to a server that may be anybody's.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use k6_summary::{Quantity, Unit};

use crate::error::UsageError;
use crate::plan::Plan;
use crate::shell::interrupt;
use crate::ui;

/// The most virtual users that nobody is asked about: as many as the profile `load` has.
const FEW: u64 = 10;
/// How often an interruption is looked for while an answer is waited for.
const TICK: Duration = Duration::from_millis(50);

/// Asks whether so many virtual `users`, if they are more than [`FEW`], may go to a public address; `yes` is the answer
/// beforehand.
///
/// # Errors
/// A [`UsageError`] if not, or if there is nobody to ask; if an interruption arrives.
pub fn ask(yes: bool, plan: &Plan, users: u64) -> anyhow::Result<()> {
    if yes || users <= FEW {
        return Ok(());
    }
    let Some(url) = plan.target.public_url() else {
        return Ok(());
    };
    let users = Quantity::new(users as f64, Unit::Count);
    let what = format!("up to {users} virtual users against {url}, a public address");
    if !(ui::is_terminal() && std::io::stdin().is_terminal()) {
        let hint = "if it is yours to load, say so with --yes";
        return Err(UsageError(format!("{what}: {hint}")).into());
    }
    ui::notice(&what);
    let _closed = write!(std::io::stderr(), "Is it yours to load? [y/N] ");
    let (said, heard) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _silence_is_no = std::io::stdin().read_line(&mut line);
        said.send(line)
    });
    let line = loop {
        match heard.recv_timeout(TICK) {
            Err(RecvTimeoutError::Timeout) => interrupt::check()?,
            heard => break heard.unwrap_or_default(),
        }
    };
    let is_yes = ["y", "yes"].contains(&line.trim().to_lowercase().as_str());
    match is_yes {
        true => Ok(()),
        false => Err(UsageError(format!("no load was made: {what}")).into()),
    }
}
