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

/// `text` without what differs from run to run: numbers that were measured, revisions, the machine.
fn redacted(text: &str) -> String {
    let lines = text.lines().map(|line| {
        // The last line of a summary is all about the machine and the time.
        if line.starts_with("Begun ") {
            return "Begun #\n".to_owned();
        }
        let line = measured(line);
        let line = ["# ms", "# µs"]
            .iter()
            .fold(line, |line, unit| line.replace(unit, "# s"));
        format!("{line}\n")
    });
    lines.collect()
}

/// A line with a `#` for each number, but for those that are part of a name or a bound, and for each revision.
fn measured(line: &str) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if hex == 40 {
            out.push('#');
            rest = &rest[hex..];
            continue;
        }
        if !c.is_ascii_digit() {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let number = |b: &u8| b.is_ascii_digit() || *b == b'.';
        let length = rest.bytes().take_while(number).count();
        let length = rest[..length].trim_end_matches('.').len();
        let fixed = out.ends_with(|c: char| c.is_alphabetic() || c == '(' || c == '<')
            || ["&lt;", "&lt; ", "≤ ", " is "]
                .iter()
                .any(|before| out.ends_with(before));
        out.push_str(if fixed { &rest[..length] } else { "#" });
        rest = &rest[length..];
    }
    out
}

#[test]
fn redaction_keeps_names_and_bounds() {
    assert_eq!(
        redacted("| 0.83 ms | &lt; 500 ms | mission p(95) |\np(95)<500: 803 ms\nline [1.5, 0.2]"),
        "| # s | &lt; 500 ms | mission p(95) |\np(95)<500: # s\nline [#, #]\n"
    );
    assert_eq!(
        redacted(&format!("commit/{} 2 of 3, status is 201", "a".repeat(40))),
        "commit/# # of #, status is 201\n"
    );
}
