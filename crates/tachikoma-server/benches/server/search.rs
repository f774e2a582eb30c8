//! Search over 5,000 specs of 10 kB.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::goals::Goals;
use crate::load::{self, Until};
use crate::process::{Process, folder, get};

const SPECS: usize = 5_000;
const SPEC_BYTES: usize = 10_000;
/// Different words in all specs.
const WORDS: u64 = 5_000;
/// What the load tests search for, and as many others.
const TERMS: [&str; 10] = [
    "config", "test", "loop", "backend", "ui", "word17", "word99", "word250", "word777", "word3000",
];
const TIME: Until = Until::Time(Duration::from_secs(10));

pub(crate) fn run(goals: &mut Goals) {
    println!("search: {SPECS} specs of {SPEC_BYTES} bytes");
    let (data, specs) = (folder(), folder());
    write_specs(specs.path());
    let begun = Instant::now();
    let server = Process::server(data.path(), specs.path());
    println!("  indexed in {:.1} s", begun.elapsed().as_secs_f64());
    let repeated = |number: u64, out: &mut Vec<u8>| {
        let term = TERMS[usize::try_from(number).expect("small") * 7 % TERMS.len()];
        get(&format!("/api/specs/search?q={term}"), out);
    };
    let measured = load::run(server.addr, 200, TIME, repeated);
    println!(
        "  the same {} terms: {:.0}/s, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        TERMS.len(),
        measured.rate,
        measured.quantile(0.5),
        measured.quantile(0.95),
        measured.quantile(0.99)
    );
    // Two words that hardly ever come in the same pair again: the index answers, not memory.
    let fresh = |number: u64, out: &mut Vec<u8>| {
        let (a, b) = (random(number) % WORDS, random(number ^ 0x5bd1) % WORDS);
        get(&format!("/api/specs/search?q=word{a}+word{b}"), out);
    };
    let uncached = load::run(server.addr, 200, TIME, fresh);
    println!(
        "  always new pairs of words: {:.0}/s, p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms",
        uncached.rate,
        uncached.quantile(0.5),
        uncached.quantile(0.95),
        uncached.quantile(0.99)
    );
    println!("  memory {:.0} MiB", server.resident_mib());
    goals.at_most("search p95", measured.quantile(0.95), 5.0, " ms");
}

/// Text in which, as in real text, the n-th word is about n times rarer than the first (Zipf).
fn write_specs(folder: &Path) {
    for spec in 0..SPECS {
        let mut text = format!("# Spec {spec}\n\n");
        let mut seed = spec as u64 * 1_000_003;
        while text.len() < SPEC_BYTES {
            seed += 1;
            let uniform = random(seed) as f64 / u64::MAX as f64;
            let rank = ((WORDS as f64).powf(uniform)) as u64;
            if rank.is_multiple_of(500) {
                let term = TERMS[usize::try_from(random(seed) % 5).expect("small")];
                let _ = write!(text, "{term} ");
            } else {
                let _ = write!(text, "word{rank} ");
            }
        }
        std::fs::write(folder.join(format!("{spec:05}-spec.md")), text).expect("written");
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn random(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
