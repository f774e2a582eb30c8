//! Search over a corpus far greater than the server's own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::load::{self, Requests, Until, request};
use crate::process::Process;
use crate::table::Row;

/// Specs of the corpus.
const SPECS: usize = 5_000;
/// Bytes of each.
const SPEC_BYTES: usize = 10_000;
/// Different words in the corpus.
const WORDS: usize = 20_000;
/// The commonest words, of which nobody searches for one.
const STOP_WORDS: usize = 100;
/// How long each load lasts.
const LENGTH: Until = Until::Time(Duration::from_secs(10));
/// The time between two searches.
const PACE: Duration = Duration::from_millis(1);
/// The goal, in milliseconds.
const P95_MAX: f64 = 25.0;

/// A thousand searches a second, each for other words.
pub fn search() -> Vec<Row> {
    let dir = tempfile::tempdir().expect("a folder");
    let words = vocabulary();
    write_corpus(&dir.path().join("specs"), &words);
    let server = Process::server(dir.path(), &[]);
    let requests: Requests = Arc::new(move |number| search_for(&words, number));
    let outcome = load::run_paced(server.addr, server.pid(), LENGTH, PACE, 200, &requests);
    let p95 = outcome.percentile(95);
    vec![Row {
        work: "search over 5,000 specs of 10 kB, 1,000 different searches a second".to_owned(),
        goal: format!("p95 at most {P95_MAX} ms"),
        measured: format!(
            "p95 {p95:.1} ms (p50 {:.1} ms, {:.0}/s, processor time {:.0} µs a request)",
            outcome.percentile(50),
            outcome.rate(),
            outcome.cpu_micros(),
        ),
        ok: p95 <= P95_MAX && outcome.rate() >= 950.0,
    }]
}

/// Words of two to four syllables.
fn vocabulary() -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut words = std::collections::BTreeSet::new();
    while words.len() < WORDS {
        let mut word = String::new();
        for _ in 0..random.usize(2..=4) {
            word.push(letter(&mut random, b"bcdfghjklmnprstvz"));
            word.push(letter(&mut random, b"aeiou"));
        }
        words.insert(word);
    }
    let mut words: Vec<String> = words.into_iter().collect();
    random.shuffle(&mut words);
    words
}

fn letter(random: &mut fastrand::Rng, among: &[u8]) -> char {
    char::from(among[random.usize(..among.len())])
}

/// The rank of a word as natural text has it: its frequency falls with the rank (Zipf's law).
fn rank(random: &mut fastrand::Rng, least: usize) -> usize {
    let (low, high) = ((least as f64 + 1.0).ln(), (WORDS as f64).ln());
    let rank = (low + random.f64() * (high - low)).exp();
    (rank as usize).clamp(least, WORDS - 1)
}

fn write_corpus(folder: &Path, words: &[String]) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut random = fastrand::Rng::with_seed(2);
    for spec in 0..SPECS {
        let mut text = format!(
            "# {} {}\n\n",
            words[rank(&mut random, STOP_WORDS)],
            words[rank(&mut random, STOP_WORDS)]
        );
        while text.len() < SPEC_BYTES {
            text += &words[rank(&mut random, 0)];
            text.push(if random.u8(..12) == 0 { '\n' } else { ' ' });
        }
        std::fs::write(folder.join(format!("{spec:04}-spec.md")), text).expect("a file");
    }
}

/// A search for one to three words, the same for the same number.
fn search_for(words: &[String], number: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(number);
    let count = random.usize(1..=3);
    let terms: Vec<&str> = (0..count)
        .map(|_| words[rank(&mut random, STOP_WORDS)].as_str())
        .collect();
    request(
        "GET",
        &format!("/api/specs/search?q={}", terms.join("+")),
        "",
    )
}
