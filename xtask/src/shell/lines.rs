//! A child's output as lines that are safe to show: bounded, valid UTF-8, without control characters.

use std::io::Read;

/// The longest line, in bytes, that is kept; the rest of a longer one is counted and dropped.
///
/// A program that goes wrong may write lines of many megabytes: they must not fill memory or a terminal.
pub const MAX_LINE: usize = 8 * 1024;

/// Reads `input` to its end and hands over each line, cleaned by [`clean`].
///
/// Carriage returns end a line too, since progress bars use them. Read errors end the stream, as its end does.
pub fn for_each_line(mut input: impl Read, mut each: impl FnMut(&str)) {
    let mut chunk = [0_u8; 16 * 1024];
    let mut line = Vec::new();
    let mut dropped = 0_usize;
    loop {
        let read = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for part in chunk[..read].split_inclusive(|b| matches!(b, b'\n' | b'\r')) {
            let (body, ends) = match part.split_last() {
                Some((b'\n' | b'\r', body)) => (body, true),
                _ => (part, false),
            };
            let room = MAX_LINE.saturating_sub(line.len());
            line.extend_from_slice(&body[..body.len().min(room)]);
            dropped += body.len().saturating_sub(room);
            if ends {
                hand_over(&mut line, &mut dropped, &mut each);
            }
        }
    }
    hand_over(&mut line, &mut dropped, &mut each);
}

fn hand_over(line: &mut Vec<u8>, dropped: &mut usize, each: &mut impl FnMut(&str)) {
    if line.is_empty() && *dropped == 0 {
        return;
    }
    let mut text = clean(&String::from_utf8_lossy(line));
    if *dropped > 0 {
        text.push_str(&format!(" … (+{dropped} bytes)"));
    }
    each(&text);
    line.clear();
    *dropped = 0;
}

/// The text without what would control a terminal, see [`k6_summary::harmless`].
pub fn clean(text: &str) -> String {
    k6_summary::harmless(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut out = Vec::new();
        for_each_line(bytes, |line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn splits_at_newlines_and_carriage_returns() {
        assert_eq!(lines(b"a\r\nb\rc\n\nd"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn bounds_a_long_line() {
        let mut bytes = vec![b'x'; 10_000_000];
        bytes.extend_from_slice(b"\nnext\n");
        let out = lines(&bytes);
        assert_eq!(out.len(), 2);
        assert!(out[0].len() < MAX_LINE + 40);
        assert!(
            out[0].ends_with("(+9991808 bytes)"),
            "{}",
            &out[0][MAX_LINE..]
        );
        assert_eq!(out[1], "next");
    }

    #[test]
    fn survives_invalid_utf8_and_escapes() {
        assert_eq!(lines(b"\xff\xfe ok\n"), ["\u{fffd}\u{fffd} ok"]);
        assert_eq!(clean("\u{1b}[31mred\u{1b}[0m\u{7}\tx"), "red x");
        assert_eq!(clean("\u{1b}]0;title\u{7}y"), "y");
    }
}
