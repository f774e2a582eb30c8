//! The runners' logs, each followed from its beginning by a kubectl of its own, so that a deletion takes nothing that was
//! read.

use std::fs::File;
use std::io::{BufWriter, IntoInnerError, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::kubectl::Kubectl;
use super::objects::Pod;
use crate::k6::{LogEntry, Said};
use crate::secret::Secret;
use crate::shell::logs::LogFile;
use crate::shell::{self, Process, locked};

/// How long to wait before a log that broke is followed again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the log of a pod that has ended is read once more if that fails.
const TRIES: u32 = 20;
/// The longest line that is written to the file, in bytes: a runner's summary is no reading matter, and kept elsewhere.
const LONGEST: usize = 2_000;
/// How much of what is no entry of k6's log is held in memory, in bytes: a summary is a hundredth of it.
const HELD: usize = 32 << 20;
/// By how many bytes a log is told from another.
const BEGINNING: usize = 1024;
/// What main.js writes to the log of a runner before all else.
const FIRST_WORDS: &str = "load-test-log begins";
/// Among so many lines: standard output and error are joined in no order.
const FIRST_LINES: usize = 20;

/// What all runners' logs together say.
pub type AllSaid = Arc<Mutex<Said>>;

/// The log of one runner.
#[derive(Debug)]
pub struct RunnerLog {
    read: Arc<Mutex<LogReading>>,
    process: Option<Process>,
    again: Instant,
    tries: u32,
    /// Whether the pod had ended when this kubectl began.
    is_last: bool,
    /// Whether all was read that ever can be.
    is_whole: bool,
    /// Whether there is more than was read.
    is_unread: bool,
}

/// What was read of a log.
#[derive(Debug)]
struct LogReading {
    file: LogFile,
    said: AllSaid,
    /// How many bytes have come, those that are repeated too.
    taken: usize,
    /// How many bytes of the log.
    bytes: usize,
    /// How many of them this kubectl has still to repeat.
    repeated: usize,
    /// The first of them, and those of this kubectl.
    beginning: Vec<u8>,
    again: Vec<u8>,
    /// The line that has yet to end, and how many there were before.
    line: Vec<u8>,
    lines: usize,
    /// Whether it was read from its beginning.
    begins: bool,
    /// Whether a part of it went away unread.
    is_torn: bool,
    /// Whether this kubectl has said all that it will.
    is_at_end: bool,
    /// What is no entry of k6's log.
    rest: String,
    /// Takes the samples, if there are any; it has no name, since samples may hold a key.
    samples: Option<BufWriter<File>>,
}

impl LogReading {
    /// Nothing yet of a log that is kept in `file`; its samples, if there shall be some, in `samples`.
    fn new(file: LogFile, said: AllSaid, samples: Option<File>) -> Self {
        Self {
            file,
            said,
            taken: 0,
            bytes: 0,
            repeated: 0,
            beginning: Vec::new(),
            again: Vec::new(),
            line: Vec::new(),
            lines: 0,
            begins: false,
            is_torn: false,
            is_at_end: false,
            rest: String::new(),
            samples: samples.map(BufWriter::new),
        }
    }

    /// Begins with a kubectl that reads everything once more.
    fn restart(&mut self) {
        self.repeated = self.bytes;
        self.again.clear();
        self.is_at_end = false;
    }

    fn take(&mut self, chunk: &[u8]) {
        self.is_at_end = chunk.is_empty();
        self.taken += chunk.len();
        let mut chunk = chunk;
        if self.repeated > 0 {
            let (known, room) = (self.again.len(), self.beginning.len() - self.again.len());
            self.again
                .extend_from_slice(&chunk[..chunk.len().min(room)]);
            if self.beginning.starts_with(&self.again) {
                let skipped = chunk.len().min(self.repeated);
                self.repeated -= skipped;
                chunk = &chunk[skipped..];
            } else {
                // The log was rotated away: what comes is another file.
                self.is_torn = true;
                let again = self.again[..known].to_vec();
                (self.bytes, self.repeated) = (0, 0);
                self.beginning.clear();
                self.line.clear();
                self.add(&again);
            }
        }
        self.add(chunk);
    }

    /// What is missing before what was read last.
    fn gap(&self) -> Option<&'static str> {
        if self.is_torn {
            return Some(
                "a part of its log was rotated away unread, and what it says there is not known",
            );
        }
        (self.lines > 0 && !self.begins).then_some(
            "its log begins in the middle, as one that its node has rotated: what it said before is not known",
        )
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = BEGINNING.saturating_sub(self.beginning.len());
        self.beginning
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.bytes += bytes.len();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() > HELD {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\n', '\r']);
        self.lines += 1;
        let mut said = locked(&self.said);
        // Not only the file: an exception is a reason too, and stands in every report.
        let entry = LogEntry::of(line).map(|it| it.with_words(without_queries));
        let Some(entry) = entry else {
            said.take_line(line);
            if let Some(samples) = &mut self.samples {
                // What cannot be written is missing in the count.
                let _counted_later = writeln!(samples, "{line}");
                if is_sample(line) {
                    return;
                }
            }
            if self.rest.len() > HELD {
                self.rest.clear();
            }
            self.rest.push_str(line);
            self.rest.push('\n');
            let (shown, more) = line.split_at(line.floor_char_boundary(LONGEST));
            let mut shown = shell::clean(&without_queries(shown));
            if !more.is_empty() {
                shown.push_str(&format!(" … (+{} bytes)", more.len()));
            }
            self.file.write(&shown);
            return;
        };
        self.begins |= self.lines <= FIRST_LINES && entry.words() == FIRST_WORDS;
        said.take(&entry);
        drop(said);
        for line in entry.log_lines() {
            self.file.write(&line);
        }
    }
}

impl RunnerLog {
    /// Of runner `number`, whose log goes to the folder `dir`.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub fn create(
        dir: &Path,
        number: u32,
        key: &Secret,
        said: &AllSaid,
        exact: bool,
    ) -> anyhow::Result<Self> {
        let samples = exact.then(tempfile::tempfile).transpose();
        let samples = samples.context("failed to make a file for samples")?;
        let file = LogFile::create(&dir.join(format!("runner-{number}.log")), key)?;
        Ok(Self {
            read: Arc::new(Mutex::new(LogReading::new(file, Arc::clone(said), samples))),
            process: None,
            again: Instant::now(),
            tries: 0,
            is_last: false,
            is_whole: false,
            is_unread: false,
        })
    }

    /// Begins to follow the log once there can be one, and again if that broke. Returns whether all of it was read.
    ///
    /// # Errors
    /// If kubectl cannot be started.
    pub fn tick(
        &mut self,
        kubectl: &Kubectl,
        pod: Option<&Pod>,
        is_gone: bool,
    ) -> anyhow::Result<bool> {
        let Some(pod) = pod.filter(|pod| !self.is_whole && pod.has_begun()) else {
            return Ok(true);
        };
        self.is_unread = pod.has_ended();
        if let Some(process) = &mut self.process {
            let Some(ended) = process.try_wait()? else {
                return Ok(false);
            };
            if !locked(&self.read).is_at_end {
                return Ok(false);
            }
            self.process = None;
            self.again = Instant::now() + AGAIN;
            if self.is_last {
                self.tries += 1;
                self.is_unread = !ended.success();
                self.is_whole = ended.success() || self.tries >= TRIES;
            }
        }
        // What is gone is read no more, and whether it was whole its summary says.
        self.is_whole |= is_gone;
        self.is_unread &= !is_gone;
        let is_due = Instant::now() >= self.again || pod.has_ended() && self.tries == 0;
        if !self.is_whole && is_due {
            locked(&self.read).restart();
            self.is_last = pod.has_ended();
            let read = Arc::clone(&self.read);
            let follow = kubectl.follow_log(&pod.metadata.name, move |chunk| {
                locked(&read).take(chunk);
            });
            self.process = Some(follow?);
        }
        Ok(self.is_whole)
    }

    /// How many bytes have come so far, those that were read again too.
    pub fn read(&self) -> usize {
        locked(&self.read).taken
    }

    /// What of the log of a runner that ended is missing, in a sentence, as far as that shows.
    pub fn gap(&self) -> Option<&'static str> {
        if self.is_unread {
            return Some("its log was not read to its end, and what it says there is not known");
        }
        locked(&self.read).gap()
    }

    /// Reads no more of it.
    pub fn stop(&mut self) {
        // Ends the follower, and with it its thread.
        self.process = None;
    }

    /// What is no entry of k6's log, the summary above all.
    pub fn rest(&mut self) -> String {
        self.stop();
        let mut read = locked(&self.read);
        if !read.line.is_empty() {
            read.end_line();
        }
        std::mem::take(&mut read.rest)
    }

    /// The samples, if they were asked for, from their beginning.
    ///
    /// # Errors
    /// If they could not be kept.
    pub fn samples(&mut self) -> std::io::Result<Option<File>> {
        let Some(samples) = locked(&self.read).samples.take() else {
            return Ok(None);
        };
        let mut file = samples.into_inner().map_err(IntoInnerError::into_error)?;
        file.rewind()?;
        Ok(Some(file))
    }

    /// What went wrong in writing the file, if anything.
    pub fn problem(&self) -> Option<String> {
        locked(&self.read).file.problem()
    }
}

/// Whether a line is a sample as `k6 run --out csv` writes it, or names the columns of samples.
fn is_sample(line: &str) -> bool {
    let mut parts = line.split(',').skip(1);
    match (parts.next(), parts.next()) {
        (Some("timestamp"), Some("metric_value")) => true,
        (Some(time), Some(value)) => time.parse::<u64>().is_ok() && value.parse::<f64>().is_ok(),
        _ => false,
    }
}

/// Text without what stands behind the question mark of a URL: the key of a server may be there, and nobody here knows it.
pub fn without_queries(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let ends = url.find(|c: char| c.is_whitespace() || "\"'<>\\`".contains(c));
        let (url, behind) = url.split_at(ends.unwrap_or(url.len()));
        match url.split_once('?') {
            Some((url, _)) => {
                out.push_str(url);
                out.push_str("?…");
            }
            None => out.push_str(url),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dir: &Path) -> LogReading {
        let key = Secret::new("k3y".into());
        let file = LogFile::create(&dir.join("runner-1.log"), &key).unwrap();
        LogReading::new(
            file,
            AllSaid::default(),
            Some(tempfile::tempfile().unwrap()),
        )
    }

    const ENTRY: &str = r#"{"level":"warning","msg":"Request Failed","error":"Get \"ws://a/ws?token=unknown\": connection refused"}"#;

    #[test]
    fn a_log_that_breaks_anywhere_is_read_once() {
        let summary = format!("load-test-summary {}", "x".repeat(40_000));
        let sample = "http_reqs,1795647600,1.000000,,true,,,200,GET,http://a/?token=c";
        let text = format!("{ENTRY}\n{sample}\n{summary}\nlast k3y ws://b/?token=c\n");
        for cut in [0, 1, 50, 200, 20_000, text.len() - 3, text.len()] {
            let dir = tempfile::tempdir().unwrap();
            let mut read = read(dir.path());
            read.take(&text.as_bytes()[..cut]);
            read.restart();
            for again in text.as_bytes().chunks(700) {
                read.take(again);
            }
            assert_eq!(
                read.rest,
                format!("{summary}\nlast k3y ws://b/?token=c\n"),
                "{cut}"
            );
            assert_eq!(read.said.lock().unwrap().commonest().unwrap().1, 1, "{cut}");
            let mut samples = read.samples.take().unwrap().into_inner().unwrap();
            samples.rewind().unwrap();
            let samples = std::io::read_to_string(samples).unwrap();
            assert_eq!(samples.matches(sample).count(), 1, "{cut}");
            let file = std::fs::read_to_string(dir.path().join("runner-1.log")).unwrap();
            assert!(
                !file.contains("unknown") && !file.contains("k3y") && !file.contains("=c"),
                "{file}"
            );
            assert!(
                file.contains("last *** ws://b/?…\n") && file.contains("bytes)\n"),
                "{file}"
            );
        }
    }

    #[test]
    fn an_exception_is_kept_without_the_query_of_its_url() {
        let dir = tempfile::tempdir().unwrap();
        let mut read = read(dir.path());
        let exception = r#"{"level":"error","executor":"ramping-vus","msg":"GoError: Get \"ws://a/ws?id=1\u0026token=unknown\": connection refused"}"#;
        read.take(format!("{exception}\n").as_bytes());
        let said = read.said.lock().unwrap().clone();
        assert_eq!(said.log.exceptions(), 1);
        assert!(!format!("{said:?}").contains("unknown"), "{said:?}");
    }

    #[test]
    fn a_log_that_was_rotated_away_is_read_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut read = read(dir.path());
        read.take(b"old\nhalf a li");
        read.restart();
        read.take(b"ne");
        read.take(b"w\nnewer\n");
        assert_eq!(read.rest, "old\nnew\nnewer\n");
        assert!(read.gap().is_some_and(|gap| gap.contains("rotated away")));
    }

    #[test]
    fn a_log_that_was_not_read_to_its_end_is_said() {
        let ended = serde_json::json!({"status": {"containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}});
        let pod: Pod = serde_json::from_value(ended).unwrap();
        // In kubectl's place one that fails, and one that says a line.
        for (program, is_whole, said) in [
            ("false", false, "was not read to its end"),
            ("echo", true, "begins in the middle"),
        ] {
            let kubectl = Kubectl {
                program: program.into(),
                ..Kubectl::default()
            };
            let dir = tempfile::tempdir().unwrap();
            let (key, all) = (Secret::new("k3y".into()), AllSaid::default());
            let mut log = RunnerLog::create(dir.path(), 1, &key, &all, false).unwrap();
            while log.tries == 0 {
                log.tick(&kubectl, Some(&pod), false).unwrap();
                std::thread::yield_now();
            }
            assert_eq!(log.is_whole, is_whole);
            assert!(log.gap().is_some_and(|gap| gap.contains(said)), "{program}");
        }
    }

    #[test]
    fn a_log_without_its_beginning_is_known_by_its_first_lines() {
        let begins = format!(r#"{{"level":"info","msg":"{FIRST_WORDS}","source":"console"}}"#);
        let summary = "load-test-summary 2 ab {}";
        for (lines, is_whole) in [
            (vec![&*begins, ENTRY, summary], true),
            (
                vec![
                    "metric_name,timestamp,metric_value,check",
                    &*begins,
                    summary,
                ],
                true,
            ),
            (vec![ENTRY, summary], false),
            // Where k6 sums up it reads the script once more.
            (
                [vec![ENTRY; FIRST_LINES], vec![&*begins, summary]].concat(),
                false,
            ),
            (vec![], true),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let mut read = read(dir.path());
            read.take(
                lines
                    .iter()
                    .map(|line| format!("{line}\n"))
                    .collect::<String>()
                    .as_bytes(),
            );
            assert_eq!(read.gap().is_none(), is_whole, "{lines:?}");
        }
    }
}
