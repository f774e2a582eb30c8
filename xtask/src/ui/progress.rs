//! The progress of one step: a line at the foot of the terminal, elsewhere a line from time to time.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{info, is_terminal, width};
use crate::secret;

/// How often a step that goes on says so where there is no terminal.
const BEAT: Duration = Duration::from_secs(30);
/// How often the line at the foot is drawn, for its clock to go on.
const TICK: Duration = Duration::from_millis(250);
/// The room that a bar takes at most and at least, in columns, without its brackets and the blank behind them.
const BAR: std::ops::RangeInclusive<usize> = 5..=24;
/// A terminal that is narrower than this has words before it has a bar, in columns.
const NARROW: usize = 60;

/// The line at the foot of the terminal, to be taken away while anything else is written.
static FOOT: Mutex<Option<String>> = Mutex::new(None);

/// The progress of one step; dropping it takes its line away.
#[derive(Debug)]
pub struct Progress {
    shown: Arc<Mutex<Shown>>,
    /// Ends the thread that shows it.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
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
        let shown = Arc::new(Mutex::new(Shown {
            what: what.to_owned(),
            began: Instant::now(),
            share: None,
            words: Words::Behind(String::new()),
        }));
        let (end, ended) = channel();
        let looked_at = Arc::clone(&shown);
        // A terminal that moves no cursor cannot have a line at its foot.
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let thread = match is_terminal() && !is_dumb && !cfg!(test) {
            true => std::thread::spawn(move || {
                every(TICK, &ended, || draw(Some(lock(&looked_at).line(width()))));
                draw(None);
            }),
            false => std::thread::spawn(move || beat(BEAT, &looked_at, &ended, info)),
        };
        Self {
            shown,
            end: Some(end),
            thread: Some(thread),
        }
    }

    /// What happens at the moment.
    pub fn says(&self, text: &str) {
        lock(&self.shown).words = Words::Behind(secret::hide(text).into_owned());
    }

    /// How much is done, in bytes, of how much, if that is known.
    pub fn bytes(&self, done: u64, total: Option<u64>) {
        let mut shown = lock(&self.shown);
        let speed = done as f64 / shown.began.elapsed().as_secs_f64().max(1e-3);
        let (done_mb, speed) = (megabytes(done as f64), megabytes(speed));
        let words = match total {
            Some(total) => format!("{done_mb} of {} MB, {speed} MB/s", megabytes(total as f64)),
            None => format!("{done_mb} MB, {speed} MB/s"),
        };
        #[cfg(test)]
        super::said::note(&format!("progress: {}: {done} of {total:?}", shown.what));
        shown.share = total.map(|total| done as f64 / total.max(1) as f64);
        shown.words = Words::Behind(words);
    }

    /// How many parts are done of how many, and what happens at the moment.
    pub fn parts(&self, done: u64, total: u64, text: &str) {
        self.says(&format!("{done}/{total} {text}"));
        lock(&self.shown).share = Some(done as f64 / total.max(1) as f64);
    }

    /// What share is done, from 0 to 1, and all that is to be said, the most telling first: the first that has room.
    pub fn shows(&self, share: f64, texts: Vec<String>) {
        let mut shown = lock(&self.shown);
        shown.share = Some(share);
        shown.words = Words::Alone(texts);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
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

    /// One line that fits into `columns`: a bar if there is room, and as much of the words as there is room for.
    fn line(&self, columns: usize) -> String {
        let bar = match self.share {
            Some(_) if columns >= NARROW => BAR.start() + 3,
            _ => 0,
        };
        let fits = |text: &&String| text.chars().count() + bar <= columns;
        let shorter = match &self.words {
            Words::Alone(texts) => texts.iter().find(fits).or(texts.last()).cloned(),
            Words::Behind(_) => None,
        };
        let text = shorter.unwrap_or_else(|| self.text());
        let left = columns.saturating_sub(text.chars().count() + 3);
        let mut line = String::new();
        if let Some(share) = self.share
            && left >= *BAR.start()
        {
            let width = left.min(*BAR.end());
            let done = (share.clamp(0.0, 1.0) * width as f64) as usize;
            let _ = write!(line, "[{:-<width$}] ", "#".repeat(done));
        }
        line.push_str(&text);
        match line.char_indices().nth(columns) {
            None => line,
            Some(_) => line.chars().take(columns - 1).chain(['…']).collect(),
        }
    }
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1}", bytes / 1e6)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws the line at the foot anew, or takes it away.
fn draw(line: Option<String>) {
    let mut foot = lock(&FOOT);
    if *foot != line {
        put(line.as_deref());
        *foot = line;
    }
}

/// Writes `line` in the place of the one at the foot.
fn put(line: Option<&str>) {
    let mut err = std::io::stderr().lock();
    let _closed = write!(err, "\r\x1b[K{}", line.unwrap_or_default());
    let _closed = err.flush();
}

/// Writes something while no line is in the way.
pub(super) fn suspend<T>(write: impl FnOnce() -> T) -> T {
    let foot = lock(&FOOT);
    if foot.is_none() {
        return write();
    }
    put(None);
    let written = write();
    put(foot.as_deref());
    written
}

/// Does something every `interval` until `ended` is.
fn every(interval: Duration, ended: &Receiver<()>, mut act: impl FnMut()) {
    while ended.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        act();
    }
}

/// Says every `interval` how far the step is, until `ended` is.
fn beat(interval: Duration, shown: &Mutex<Shown>, ended: &Receiver<()>, say: impl Fn(&str)) {
    every(interval, ended, || {
        let text = lock(shown).text();
        say(&text);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(share: Option<f64>, words: Words) -> Shown {
        Shown {
            what: "building dufs".into(),
            began: Instant::now(),
            share,
            words,
        }
    }

    #[test]
    fn a_step_without_a_terminal_says_how_far_it_is_until_it_has_ended() {
        let (ended, end) = channel();
        let (sender, said) = channel();
        let shown = Mutex::new(shown(Some(0.5), Words::Behind("7/9 tokio".into())));
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
    fn a_line_fits_and_has_a_bar_where_there_is_room() {
        let behind = |share| shown(share, Words::Behind("34/120 serde, tokio".into()));
        assert_eq!(
            behind(Some(0.25)).line(80),
            "[######------------------] building dufs, 0 s: 34/120 serde, tokio"
        );
        assert_eq!(
            behind(Some(0.25)).line(40),
            "building dufs, 0 s: 34/120 serde, tokio"
        );
        assert_eq!(behind(None).line(30), "building dufs, 0 s: 34/120 se…");
        let alone = shown(
            Some(1.0),
            Words::Alone(vec!["a".repeat(70), "b".repeat(50)]),
        );
        assert_eq!(alone.line(80), format!("[#######] {}", "a".repeat(70)));
        assert_eq!(
            alone.line(77),
            format!("[{}] {}", "#".repeat(24), "b".repeat(50))
        );
        assert_eq!(alone.text(), "a".repeat(70));
        assert_eq!(alone.line(55), "b".repeat(50));
        assert_eq!(alone.line(40).chars().count(), 40);
    }
}
