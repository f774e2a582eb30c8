//! The progress of one step: a bar on a terminal, elsewhere a line from time to time.

use std::borrow::Cow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{info, is_terminal};
use crate::secret;

/// How often a step that goes on says so where there is no terminal.
const BEAT: Duration = Duration::from_secs(30);
/// How often a bar is drawn while nothing happens, for its clock to go on.
const TICK: Duration = Duration::from_millis(250);

/// How progress is drawn, by indicatif's rules.
const BYTES_OF: &str =
    "{prefix} [{bar:24}] {percent:>3} % of {decimal_total_bytes}, {decimal_bytes_per_sec}";
const BYTES: &str = "{prefix}: {decimal_bytes}, {decimal_bytes_per_sec}";
const TIME: &str = "{prefix}: [{bar:24}] {elapsed} {wide_msg}";
const OPEN_ENDED: &str = "{prefix}, {elapsed}: {wide_msg}";

/// The bar that stands on the terminal, to be taken away while anything else is written.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The progress of one step; dropping it takes the bar away.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    last: Arc<Mutex<String>>,
    /// Ends the thread that says that the step goes on.
    _beat: Option<Sender<()>>,
}

impl Progress {
    /// Of a download of `total` bytes, if that is known.
    pub fn of_bytes(what: &str, total: Option<u64>) -> Self {
        match total {
            Some(total) => Self::begin(what, ProgressBar::new(total), BYTES_OF),
            None => Self::begin(what, ProgressBar::no_length(), BYTES),
        }
    }

    /// Of a step that is planned to take `duration`.
    pub fn over(what: &str, duration: Duration) -> Self {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self::begin(what, ProgressBar::new(milliseconds), TIME)
    }

    /// Of a step of which nobody knows how long it takes.
    pub fn open_ended(what: &str) -> Self {
        Self::begin(what, ProgressBar::no_length(), OPEN_ENDED)
    }

    fn begin(what: &str, bar: ProgressBar, template: &str) -> Self {
        // A template that cannot be read, which a test would find, leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("##-"));
        }
        bar.set_prefix(what.to_owned());
        let last = Arc::new(Mutex::new(String::new()));
        let beat = match is_terminal() {
            true => {
                bar.enable_steady_tick(TICK);
                *shown() = Some(bar.clone());
                None
            }
            false => {
                let (sender, ended) = channel();
                let (what, said) = (what.to_owned(), Arc::clone(&last));
                std::thread::spawn(move || beat(&what, BEAT, &said, &ended, info));
                Some(sender)
            }
        };
        Self {
            bar,
            last,
            _beat: beat,
        }
    }

    /// How much is done: bytes, or milliseconds.
    pub fn done(&self, amount: u64) {
        self.bar.set_position(amount);
        #[cfg(test)]
        super::said::note(&format!(
            "progress: {} {amount} of {:?}",
            self.bar.prefix(),
            self.bar.length()
        ));
    }

    /// What happens at the moment.
    pub fn says(&self, text: &str) {
        let text = secret::hide(text).into_owned();
        self.bar.set_message(Cow::Owned(text.clone()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        shown().take();
    }
}

/// Writes something while no bar is in the way.
pub(super) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    let bar = shown().clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn shown() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says every `interval` that the step goes on, until `ended` is.
fn beat(
    what: &str,
    interval: Duration,
    last: &Mutex<String>,
    ended: &Receiver<()>,
    say: impl Fn(&str),
) {
    let began = Instant::now();
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        let seconds = began.elapsed().as_secs();
        let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last.is_empty() {
            true => say(&format!("{what}: {seconds} s")),
            false => say(&format!("{what}: {seconds} s, {last}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_without_a_terminal_says_that_it_goes_on_until_it_has_ended() {
        let (ended, end) = channel();
        let (sender, said) = channel();
        let last = Mutex::new("7 of 9".to_owned());
        std::thread::scope(|scope| {
            let last = &last;
            scope.spawn(move || {
                let say = |text: &str| sender.send(text.to_owned()).unwrap();
                beat("health", Duration::from_millis(1), last, &end, say);
            });
            for _ in 0..2 {
                assert_eq!(said.recv().unwrap(), "health: 0 s, 7 of 9");
            }
            drop(ended);
        });
    }

    #[test]
    fn indicatif_understands_how_progress_is_drawn() {
        for template in [BYTES_OF, BYTES, TIME, OPEN_ENDED] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
