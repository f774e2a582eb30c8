//! The progress of one step: a bar on a terminal, elsewhere a line from time to time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{info, is_terminal, width};
use crate::secret;

/// How often a step that goes on says so where there is no terminal.
const BEAT: Duration = Duration::from_secs(30);
/// How often a bar is drawn while nothing happens, for its clock, which has seconds, to go on.
const TICK: Duration = Duration::from_secs(1);
/// The least room for a bar, with its brackets and the blank behind them, in columns.
const LEAST_BAR: usize = 8;
/// A terminal that is narrower than this has words before it has a bar, in columns.
const NARROW: usize = 60;
/// The position of a bar at its end.
const WHOLE: f64 = 1000.0;

/// How progress is drawn, by indicatif's rules.
const BEHIND: &str = "{prefix}, {elapsed}: {wide_msg}";
const BAR_AND_BEHIND: &str = "[{bar:24}] {prefix}, {elapsed}: {wide_msg}";
const ALONE: &str = "{wide_msg}";
const BAR_AND_ALONE: &str = "[{wide_bar}] {msg}";

/// The bar that stands on the terminal, to be taken away while anything else is written.
static ON_TERMINAL: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// The progress of one step; dropping it takes the bar away.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    shown: Arc<Mutex<Shown>>,
    /// Ends the thread that says that the step goes on.
    _beat: Option<Sender<()>>,
}

#[derive(Debug)]
struct Shown {
    /// What goes on.
    what: String,
    began: Instant,
    /// The share that is done, from 0 to 1; none if nobody knows.
    share: Option<f64>,
    /// What happens at the moment.
    words: Words,
}

/// What happens at the moment.
#[derive(Debug)]
enum Words {
    /// It stands behind what goes on and since when.
    Behind(String),
    /// It stands alone: the first of these that has room, the most telling first.
    Alone(Vec<String>),
}

impl Progress {
    /// Of `what`, of which nobody knows yet how long it takes.
    pub fn of(what: &str) -> Self {
        let bar = ProgressBar::no_length().with_prefix(what.to_owned());
        let shown = Arc::new(Mutex::new(Shown {
            what: what.to_owned(),
            began: Instant::now(),
            share: None,
            words: Words::Behind(String::new()),
        }));
        let beat = match is_terminal() {
            true => {
                *lock(&ON_TERMINAL) = Some(bar.clone());
                None
            }
            false => {
                let (sender, ended) = channel();
                let shown = Arc::clone(&shown);
                std::thread::spawn(move || beat(BEAT, &shown, &ended, info));
                Some(sender)
            }
        };
        let progress = Self {
            bar,
            shown,
            _beat: beat,
        };
        progress.draw(None, Words::Behind(String::new()));
        // Only now: before it has a style indicatif would draw its own.
        if is_terminal() {
            progress.bar.enable_steady_tick(TICK);
        }
        progress
    }

    /// What happens at the moment.
    pub fn says(&self, text: &str) {
        let share = lock(&self.shown).share;
        self.draw(share, Words::Behind(secret::hide(text).into_owned()));
    }

    /// How much is done, in bytes, of how much, if that is known.
    pub fn bytes(&self, done: u64, total: Option<u64>) {
        let speed = done as f64 / self.bar.elapsed().as_secs_f64().max(1e-3);
        let (done_mb, speed) = (megabytes(done as f64), megabytes(speed));
        let words = match total {
            Some(total) => format!("{done_mb} of {} MB, {speed} MB/s", megabytes(total as f64)),
            None => format!("{done_mb} MB, {speed} MB/s"),
        };
        #[cfg(test)]
        super::said::note(&format!(
            "progress: {}: {done} of {total:?}",
            self.bar.prefix()
        ));
        let share = total.map(|total| done as f64 / total.max(1) as f64);
        self.draw(share, Words::Behind(words));
    }

    /// How many parts are done of how many, and what happens at the moment.
    pub fn parts(&self, done: u64, total: u64, text: &str) {
        let text = secret::hide(text);
        let words = Words::Behind(format!("{done}/{total} {text}"));
        self.draw(Some(done as f64 / total.max(1) as f64), words);
    }

    /// What share is done, from 0 to 1, and all that is to be said, the most telling first: the first that has room.
    pub fn shows(&self, share: f64, texts: Vec<String>) {
        self.draw(Some(share), Words::Alone(texts));
    }

    fn draw(&self, share: Option<f64>, words: Words) {
        let (template, text) = fitting(share.is_some(), &words, width());
        // A template that cannot be read, which a test would find, leaves indicatif's own.
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("##-"));
        }
        if let Some(share) = share {
            self.bar.set_length(WHOLE as u64);
            self.bar.set_position((share * WHOLE) as u64);
        }
        self.bar.set_message(text.to_owned());
        let mut shown = lock(&self.shown);
        (shown.share, shown.words) = (share, words);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        lock(&ON_TERMINAL).take();
    }
}

impl Shown {
    /// All that is to be said.
    fn text(&self) -> String {
        match &self.words {
            Words::Alone(texts) => texts.first().cloned().unwrap_or_default(),
            Words::Behind(text) => {
                let seconds = self.began.elapsed().as_secs();
                let elapsed = match seconds / 60 {
                    0 => format!("{seconds} s"),
                    minutes => format!("{minutes} min {} s", seconds % 60),
                };
                let colon = if text.is_empty() { "" } else { ": " };
                format!("{}, {elapsed}{colon}{text}", self.what)
            }
        }
    }
}

/// The template and the words that fit on one line of `columns`, with a bar if there is room and a share to show.
fn fitting(has_share: bool, words: &Words, columns: usize) -> (&'static str, &str) {
    let is_wide = columns >= NARROW;
    let texts = match words {
        Words::Behind(text) if has_share && is_wide => return (BAR_AND_BEHIND, text),
        Words::Behind(text) => return (BEHIND, text),
        Words::Alone(texts) => texts,
    };
    let length = |text: &str| text.chars().count();
    let bar = if is_wide { LEAST_BAR } else { 0 };
    let fits = texts.iter().find(|text| length(text) + bar <= columns);
    let text = fits.or(texts.last()).map_or("", String::as_str);
    match has_share && length(text) + LEAST_BAR <= columns {
        true => (BAR_AND_ALONE, text),
        false => (ALONE, text),
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes something while no bar is in the way.
pub(super) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    let bar = lock(&ON_TERMINAL).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Says every `interval` how far the step is, until `ended` is.
fn beat(interval: Duration, shown: &Mutex<Shown>, ended: &Receiver<()>, say: impl Fn(&str)) {
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        let text = lock(shown).text();
        say(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: Words) -> Shown {
        Shown {
            what: "building dufs".into(),
            began: Instant::now(),
            share: None,
            words,
        }
    }

    #[test]
    fn a_step_without_a_terminal_says_how_far_it_is_until_it_has_ended() {
        let (ended, end) = channel();
        let (sender, said) = channel();
        let shown = Mutex::new(shown(Words::Behind("7/9 tokio".into())));
        std::thread::scope(|scope| {
            let shown = &shown;
            scope.spawn(move || {
                let say = |text: &str| sender.send(text.to_owned()).unwrap();
                beat(Duration::from_millis(1), shown, &end, say);
            });
            for _ in 0..2 {
                assert_eq!(said.recv().unwrap(), "building dufs, 0 s: 7/9 tokio");
            }
            drop(ended);
        });
    }

    #[test]
    fn the_words_fit_and_a_bar_stands_where_there_is_room() {
        let texts = vec!["a".repeat(70), "b".repeat(50)];
        let behind = Words::Behind("34/120 serde".into());
        let alone = Words::Alone(texts.clone());
        for (has_share, words, columns, template, text) in [
            (true, &behind, 80, BAR_AND_BEHIND, "34/120 serde"),
            (true, &behind, 40, BEHIND, "34/120 serde"),
            (false, &behind, 80, BEHIND, "34/120 serde"),
            (true, &alone, 80, BAR_AND_ALONE, &texts[0]),
            (true, &alone, 77, BAR_AND_ALONE, &texts[1]),
            (true, &alone, 55, ALONE, &texts[1]),
            // What is too long all the same is cut off by indicatif.
            (true, &alone, 40, ALONE, &texts[1]),
        ] {
            assert_eq!(
                fitting(has_share, words, columns),
                (template, text),
                "{columns}"
            );
        }
        assert_eq!(shown(alone).text(), "a".repeat(70));
    }

    #[test]
    fn indicatif_understands_how_progress_is_drawn() {
        for template in [BEHIND, BAR_AND_BEHIND, ALONE, BAR_AND_ALONE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
