//! How a change and a commit are written, wherever they stand.

use k6_summary::{MOST_WORDS, Quantity, Unit, brief};

/// How a reason ends if whoever failed could answer and does not want to so often.
pub const RATE_LIMITED: &str = ": rate limiting, not slowness";

/// A relative change as people read it: `+12.3 %`, and `+140 %` without decimals.
pub fn percent(change: f64) -> String {
    let percent = change * 100.0;
    if percent.abs() < 100.0 {
        format!("{percent:+.1} %")
    } else {
        format!("{percent:+.0} %")
    }
}

/// So many of something: `1 request`, `1,204 requests`.
pub fn plural(number: u64, one: &str) -> String {
    let end = if number == 1 { "" } else { "s" };
    format!("{} {one}{end}", Quantity::new(number as f64, Unit::Count))
}

/// A share as people read it: `5 %`, `99.8 %`.
pub fn share(share: f64) -> String {
    let percent = format!("{:.1}", share * 100.0);
    format!("{} %", percent.strip_suffix(".0").unwrap_or(&percent))
}

/// A value that is greater than its reference by a relative change, as people compare them: `5.3 times the usual 3.1 ms`,
/// `12 % above the usual 3.1 ms`.
pub fn above(change: f64, reference: &str) -> String {
    match change {
        1.0.. => format!("{:.1} times {reference}", 1.0 + change),
        _ => format!("{} above {reference}", share(change)),
    }
}

/// A reason as a sentence of few words on its first line; what it has beyond that stands in the lines below.
pub fn sentence(reason: &str) -> String {
    let (first, rest) = match reason.split_once('\n') {
        Some((first, rest)) => (first, format!("\n{rest}")),
        None => (reason, String::new()),
    };
    let cut = brief(first, MOST_WORDS);
    match first.split_whitespace().count() > MOST_WORDS {
        true => format!("{cut}\n  {first}{rest}"),
        false => reason.to_owned(),
    }
}

/// The first digits of a commit, enough to name it.
pub fn short_commit(commit: &str) -> &str {
    commit.get(..9).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_reads_as_people_say_it() {
        let usual = |change| above(change, "the usual 3.1 ms");
        assert_eq!(usual(4.35), "5.3 times the usual 3.1 ms");
        assert_eq!(usual(0.515), "51.5 % above the usual 3.1 ms");
    }

    #[test]
    fn a_long_reason_is_cut_and_loses_nothing() {
        let short = "missions: the server died: its last lines:\n    one\n    two";
        assert_eq!(sentence(short), short);
        let words: Vec<String> = (1..=30).map(|nth| nth.to_string()).collect();
        let long = words.join(" ");
        let said = sentence(&format!("{long}\n  log"));
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0].split(' ').count(), MOST_WORDS);
        assert!(lines[0].ends_with(" 19…"), "{said}");
        assert_eq!(lines[1..], [&format!("  {long}"), "  log"]);
    }
}
