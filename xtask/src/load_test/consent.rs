//! Whether much load may go to a server that may be anybody's.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use k6_summary::{Quantity, Unit};

use crate::error::UsageError;
use crate::server::target::Target;
use crate::shell::interrupt;
use crate::ui;

/// The most virtual users that nobody is asked about: as many as the profile `load` has.
const FEW: u64 = 10;
/// How often an interruption is looked for while an answer is waited for.
const TICK: Duration = Duration::from_millis(50);

/// How much load would go where, if it takes somebody's consent: more virtual `users` than [`FEW`] to a public address.
pub fn much_for(target: &Target, users: u64) -> Option<String> {
    let url = target.public_url().filter(|_| users > FEW)?;
    let users = Quantity::new(users as f64, Unit::Count);
    Some(format!(
        "up to {users} virtual users against {url}, a public address"
    ))
}

/// Asks whether so many virtual `users` may go there, if that is to be asked; `yes` is the answer beforehand.
///
/// # Errors
/// A [`UsageError`] if not, or if there is nobody to ask; if an interruption arrives.
pub fn ask(yes: bool, target: &Target, users: u64) -> anyhow::Result<()> {
    let Some(what) = much_for(target, users).filter(|_| !yes) else {
        return Ok(());
    };
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
