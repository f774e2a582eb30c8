//! What people read while a run goes on: messages and one status line on standard error.
//!
//! Standard output stays for the report or for `run.json`. Write errors are ignored throughout: a closed terminal is no
//! reason to lose a run.

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};

use crate::{actions, k6};

/// The width that is assumed where there is no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Whether a status line stands on the terminal, to be cleared before anything else is written.
static STATUS: Mutex<bool> = Mutex::new(false);

/// Bold.
pub const BOLD: Style = Style::new().bold();
/// For what is all right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// For what failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// For what to take note of.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// For what matters less.
pub const DIM: Style = Style::new().dimmed();

/// Whether standard error is a terminal.
pub fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// The terminal's width in columns, or 100.
pub fn width() -> usize {
    terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0).max(40))
}

/// Says which step begins.
pub fn step(text: &str) {
    write(&format!("{BOLD}{text}{BOLD:#}"));
}

/// Says something that needs no attention.
pub fn info(text: &str) {
    write(text);
}

/// Says something that the reader should know of: it may explain a result.
pub fn notice(text: &str) {
    write(&format!("{WARN}notice:{WARN:#} {text}"));
}

/// Says what went wrong.
pub fn error(text: &str) {
    write(&format!("{BAD}error:{BAD:#} {text}"));
}

/// Hands GitHub's runner a workflow command, on a line of its own.
pub fn command(line: &str) {
    let mut shown = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
    clear(&mut shown);
    let _closed = writeln!(std::io::stderr(), "{line}");
}

/// Shows `text` on the status line, in place of what stood there; nothing if standard error is no terminal.
pub fn status(text: &str) {
    if !is_terminal() {
        return;
    }
    let mut shown = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
    let text: String = text.chars().take(width().saturating_sub(1)).collect();
    let _closed =
        write!(std::io::stderr(), "\r\x1b[2K{text}").and_then(|()| std::io::stderr().flush());
    *shown = true;
}

/// Takes the status line away.
pub fn clear_status() {
    let mut shown = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
    clear(&mut shown);
}

/// Writes a report to standard output, coloured if that is a terminal that takes colours.
///
/// # Errors
/// If standard output is closed or full.
pub fn print(text: &str) -> std::io::Result<()> {
    clear_status();
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Shows what finding or installing k6 has to say.
pub fn tell(told: k6::Told<'_>) {
    match told {
        k6::Told::Info(text) => info(text),
        k6::Told::Notice(text) => notice(text),
        k6::Told::Status(text) => status(text),
    }
}

fn write(text: &str) {
    let mut shown = STATUS.lock().unwrap_or_else(PoisonError::into_inner);
    clear(&mut shown);
    let text = if actions::on() {
        actions::neutral(text).into()
    } else {
        Cow::Borrowed(text)
    };
    let _closed = writeln!(
        anstream::AutoStream::auto(std::io::stderr().lock()),
        "{text}"
    );
}

fn clear(shown: &mut bool) {
    if std::mem::take(shown) {
        let _closed = write!(std::io::stderr(), "\r\x1b[2K");
    }
}
