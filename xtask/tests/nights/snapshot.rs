//! Texts held against files in which measured values are redacted.

use crate::programs::root;

/// Compares `text` with the file `name` beside the tests; `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
pub fn holds(name: &str, text: &str) {
    let path = root().join("xtask/tests/nights/snapshots").join(name);
    let text = redacted(text);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        kept,
        "{} differs: look, and write it anew with UPDATE_SNAPSHOTS=1",
        path.display()
    );
}

/// `text` without what differs from run to run: numbers, units of time, revisions, the machine.
fn redacted(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        // The last line of a summary is all about the machine and the time.
        if line.starts_with("Begun ") {
            out.push_str("Begun #\n");
            continue;
        }
        let words = line.split(' ').map(word);
        let line = words.collect::<Vec<_>>().join(" ");
        let line = ["# ms", "# µs"]
            .iter()
            .fold(line, |line, unit| line.replace(unit, "# s"));
        out.push_str(&line);
        out.push('\n');
    }
    out
}

/// A word with its digits replaced by `#`, one for all of a number; a revision is one too.
fn word(word: &str) -> String {
    let mut out = String::new();
    for part in word.split_inclusive(['/', '(', ')', ',', '"', '[', ']', ':']) {
        let (body, end) = match part.char_indices().next_back() {
            Some((at, c)) if "/(),\"[]:".contains(c) => part.split_at(at),
            _ => (part, ""),
        };
        if body.len() == 40 && body.bytes().all(|b| b.is_ascii_hexdigit()) {
            out.push('#');
        } else {
            out.push_str(&numbers(body));
        }
        out.push_str(end);
    }
    out
}

fn numbers(text: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        let part = c.is_ascii_digit() || (inside && c == '.');
        if part && !inside {
            out.push('#');
        }
        if !part {
            out.push(c);
        }
        inside = part;
    }
    out
}

#[test]
fn redaction_keeps_words() {
    assert_eq!(
        redacted("| ✅ | p(95) | < 500 ms | 0.83 ms |\nline [1.5, 0.2]"),
        "| ✅ | p(#) | < # s | # s |\nline [#, #]\n"
    );
    assert_eq!(
        redacted(&format!("commit/{} 2 of 3", "a".repeat(40))),
        "commit/# # of #\n"
    );
}
