//! What people read while a run goes on: messages and the progress of the present step, on standard error.
//!
//! Standard output stays for the report or for `run.json`. Write errors are ignored throughout: a closed terminal is no
//! reason to lose a run. Secrets are taken out here, whoever speaks.

mod progress;
#[cfg(test)]
pub mod said;
mod wrap;

use std::borrow::Cow;
use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};

pub use progress::Progress;
pub use wrap::wrap;

use crate::{actions, secret};

/// The width that is assumed where there is no terminal.
const DEFAULT_WIDTH: usize = 100;

/// Bold.
pub const BOLD: Style = Style::new().bold();
/// For what is all right.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// For what failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// For notices.
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
    write(&format!(
        "{WARN}notice:{WARN:#} {}",
        on_lines("notice: ", text)
    ));
}

/// Says what went wrong.
pub fn error(text: &str) {
    write(&format!("{BAD}error:{BAD:#} {}", on_lines("error: ", text)));
}

/// The text on lines that the terminal need not break in the midst of a word; elsewhere as it is, for others to search.
fn on_lines<'t>(prefix: &str, text: &'t str) -> Cow<'t, str> {
    match is_terminal() {
        true => Cow::Owned(wrap(text, prefix.len(), (0, 2), width())),
        false => Cow::Borrowed(text),
    }
}

/// Hands GitHub's runner a workflow command, on a line of its own.
pub fn command(line: &str) {
    write_line(&secret::hide(line));
}

/// Writes a report to standard output, coloured if that is a terminal that takes colours.
///
/// # Errors
/// If standard output is closed or full.
pub fn print(text: &str) -> std::io::Result<()> {
    print_data(&secret::hide(text))
}

/// Writes a document, which has been written without secrets, to standard output.
///
/// # Errors
/// If standard output is closed or full.
pub fn print_data(text: &str) -> std::io::Result<()> {
    progress::suspend(|| {
        let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
        out.write_all(text.as_bytes())?;
        out.flush()
    })
}

fn write(text: &str) {
    let text = secret::hide(text);
    write_line(&match actions::on() {
        true => Cow::Owned(actions::neutral(&text)),
        false => text,
    });
}

fn write_line(line: &str) {
    #[cfg(test)]
    said::note(line);
    #[cfg(not(test))]
    progress::suspend(|| {
        let mut err = anstream::AutoStream::auto(std::io::stderr().lock());
        let _closed = writeln!(err, "{line}");
    });
}
