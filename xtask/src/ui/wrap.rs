//! Lines that a terminal need not break in the midst of a word.

/// Units that stay with the number in front of them.
const UNITS: [&str; 7] = ["%", "ms", "s", "µs", "kB", "MB", "MiB"];

/// `text` broken at blanks where its lines are longer than `width`, in columns, of which the first has `used`. Lines that
/// the text has itself begin with `own` blanks, those that are broken off with `broken`.
pub fn wrap(text: &str, used: usize, (own, broken): (usize, usize), width: usize) -> String {
    let mut out = String::new();
    let mut column = used;
    for (nth, line) in text.lines().enumerate() {
        if nth > 0 {
            out.push('\n');
            out.push_str(&" ".repeat(own));
            column = own;
        }
        let blanks = line.len() - line.trim_start().len();
        out.push_str(&line[..blanks]);
        column += blanks;
        let mut space = "";
        for word in words(line) {
            let length = word.chars().count();
            let ends = column + space.len() + length;
            if column > broken && ends > width {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.push_str(&" ".repeat(broken));
                column = broken + length;
            } else {
                out.push_str(space);
                column = ends;
            }
            out.push_str(&word);
            space = " ";
        }
    }
    out
}

/// The words of a line, each number with the unit behind it.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', ')', ']', ':']));
        match words.last_mut().filter(|_| is_unit) {
            Some(number) => *number += &format!(" {word}"),
            None => words.push(word.to_owned()),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_broken_at_blanks() {
        let text = "one two three\n  four five";
        assert_eq!(wrap(text, 7, (0, 2), 80), text);
        assert_eq!(wrap(text, 7, (0, 2), 14), "one two\n  three\n  four five");
        // A number keeps its unit.
        let text = "took 12 ms in all";
        assert_eq!(wrap(text, 0, (0, 2), 8), "took\n  12 ms\n  in all");
        assert_eq!(
            wrap("a-word-as-long-as-this b", 0, (0, 2), 10),
            "a-word-as-long-as-this\n  b"
        );
    }
}
