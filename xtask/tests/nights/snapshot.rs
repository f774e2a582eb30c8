//! Texts held against files in which measured values are redacted.

use crate::support::{read, root};

/// Compares `text` with the file `name` beside the tests; `UPDATE_SNAPSHOTS=1` writes it.
#[track_caller]
pub fn holds(name: &str, text: &str) {
    let path = root().join("xtask/tests/nights/snapshots").join(name);
    // What a busy machine adds is not the point.
    let lines = text
        .lines()
        .filter(|line| !line.contains("of this machine's CPU time"));
    let text: String = lines.map(|line| redacted(line) + "\n").collect();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &text).unwrap();
    }
    let differs = "differs: look, and write it anew with UPDATE_SNAPSHOTS=1";
    assert_eq!(text, read(&path), "{} {differs}", path.display());
}

/// `line` without what differs from run to run: a `#` for each number that was measured and for each revision.
///
/// Numbers stay that are part of a name or a bound.
fn redacted(line: &str) -> String {
    // The last line of a summary is all about the machine and the time.
    if line.starts_with("started ") {
        return "started #".into();
    }
    let mut out = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let hex = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let number = rest
            .bytes()
            .take_while(|b| b.is_ascii_digit() || b".,".contains(b));
        let number = rest[..number.count()].trim_end_matches(['.', ',']).len();
        let fixed = out.ends_with(|c: char| c.is_alphabetic() || "(<".contains(c))
            || ["&lt;", "&lt; ", "≤ ", "limit is ", "status is "]
                .iter()
                .any(|bound| out.ends_with(bound));
        let (put, length) = match (hex, c.is_ascii_digit(), fixed) {
            (40, ..) => ("#", 40),
            (_, false, _) => (&rest[..c.len_utf8()], c.len_utf8()),
            (_, true, true) => (&rest[..number], number),
            (_, true, false) => ("#", number),
        };
        out.push_str(put);
        rest = &rest[length..];
    }
    out.replace("# ms", "# s").replace("# µs", "# s")
}
