//! The README shows what a run says: its sample is held against a real run, figures apart.

use crate::support::{Done, read, root};

/// Around the sample.
const BEGIN: &str = "What you see at the end:\n\n```text\n";
const END: &str = "```\n";
/// A line of the sample that stands for any lines.
const LEFT_OUT: &str = "…";
const UNITS: [&str; 4] = ["µs", "ms", "s", "min"];

/// Whether the sample is written anew: `UPDATE_SNAPSHOTS=1`.
pub fn is_written() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1")
}

/// Holds the README's sample against what `done` has said, or writes it; what is to be left out is then marked by hand.
pub fn shows(done: &Done) {
    let path = root().join("README.md");
    let readme = read(&path);
    let (before, rest) = readme.split_once(BEGIN).expect("the sample");
    let (sample, after) = rest.split_once(END).expect("its end");
    let said = without_notices(done.stdout.trim_matches('\n'));
    if is_written() {
        let base_url = done.run()["target"]["base_url"].clone();
        let said = said
            .join("\n")
            .replace(base_url.as_str().unwrap(), "http://localhost:3000")
            .replace(done.results.to_str().unwrap(), "load-tests/results");
        std::fs::write(&path, format!("{before}{BEGIN}{said}\n{END}{after}")).unwrap();
        return;
    }
    let said: Vec<String> = said.into_iter().map(without_figures).collect();
    let shown: Vec<String> = sample.lines().map(without_figures).collect();
    let mut rest = &said[..];
    for (nth, part) in shown.split(|line| line == LEFT_OUT).enumerate() {
        let most = if nth == 0 { 0 } else { rest.len() };
        let at = (0..=most).find(|at| rest[*at..].starts_with(part));
        let at = at.unwrap_or_else(|| {
            panic!(
                "the README's sample has\n{}\nwhich a run does not say: write it anew with UPDATE_SNAPSHOTS=1\n{}",
                part.join("\n"),
                rest.join("\n")
            )
        });
        rest = &rest[at + part.len()..];
    }
    assert!(rest.is_empty(), "the README's sample lacks {rest:#?}");
}

/// The lines of `said` but for notices, which tell of the machine and of the history.
fn without_notices(said: &str) -> Vec<&str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut notice = None;
    let is_kept = |line: &&str| {
        let goes_on = notice.is_some_and(|at| !line.is_empty() && indent(line) > at);
        if line.trim_start().starts_with("notice: ") {
            notice = Some(indent(line));
        } else if !goes_on {
            notice = None;
        }
        notice.is_none()
    };
    said.lines().filter(is_kept).collect()
}

/// `line` with `#` for each number and duration, a word for each address and path, and without its time scale.
fn without_figures(line: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let (bare, comma) = match word.strip_suffix(',') {
            Some(bare) => (bare, ","),
            None => (word, ""),
        };
        let word = match bare {
            _ if bare.contains("://") => "ADDRESS".into(),
            _ if bare.contains("/results/") => "FOLDER".into(),
            _ => without_numbers(bare),
        };
        let follows_number = words.last().is_some_and(|last| last == "#");
        if follows_number && (word == "#" || UNITS.contains(&bare)) {
            words.pop();
            words.push(format!("#{comma}"));
        } else {
            words.push(word + comma);
        }
    }
    words.join(" ").replace(" at time scale #", "")
}

/// `word` with `#` for each number.
fn without_numbers(word: &str) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let number = &rest[at..];
        let end = number.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
        let end = number[..end.unwrap_or(number.len())]
            .trim_end_matches(['.', ','])
            .len();
        text += &rest[..at];
        text.push('#');
        rest = &number[end..];
    }
    text + rest
}
