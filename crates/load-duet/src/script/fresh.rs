//! Values that a test makes up: a time, a counter, a random id.

use std::collections::BTreeMap;

use crate::message::Request;
use crate::recorder::Exchange;

/// The shortest run of letters, digits and `-` that is taken for one that a test made up.
const SHORTEST_FRESH: usize = 10;
/// How many digits of it change from pass to pass.
const CHANGING: usize = 4;

/// For each exchange the values that the test made up for it alone: times, counters and random ids, which a server may
/// refuse the second time.
pub(super) fn made_up(all: &[&Exchange]) -> Vec<Vec<String>> {
    let each: Vec<Vec<String>> = all
        .iter()
        .map(|exchange| long_words(&exchange.request))
        .collect();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    for word in each.iter().flatten() {
        *count.entry(word).or_default() += 1;
    }
    let once = |words: &Vec<String>| {
        words
            .iter()
            .filter(|word| count[word.as_str()] == 1)
            .cloned()
            .collect()
    };
    each.iter().map(once).collect()
}

fn long_words(request: &Request) -> Vec<String> {
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    let parts = [request.target.as_str(), body]
        .into_iter()
        .chain(request.headers.iter().map(|(_, value)| value.as_str()));
    let mut words: Vec<String> = parts
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'))
        .filter(|word| word.len() >= SHORTEST_FRESH && digits(word).count() >= CHANGING)
        .map(str::to_owned)
        .collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// The places of the digits that may change: not the first, and not those that say which kind of UUID it is (RFC 9562).
fn digits(word: &str) -> impl Iterator<Item = usize> {
    let is_uuid = word.len() == 36;
    word.bytes()
        .enumerate()
        .skip(1)
        .filter_map(move |(at, byte)| {
            (byte.is_ascii_digit() && !(is_uuid && matches!(at, 14 | 19))).then_some(at)
        })
}

/// `word` as it is on pass `pass`: of the same length, and unlike itself on any other of 10,000 passes.
pub(super) fn renewed(word: &str, pass: usize) -> String {
    let mut bytes = word.as_bytes().to_vec();
    let mut rest = pass;
    for at in digits(word).take(CHANGING) {
        let digit = usize::from(bytes[at] - b'0');
        // At most 9.
        bytes[at] = b'0' + u8::try_from((digit + rest) % 10).unwrap_or_default();
        rest /= 10;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
