//! Names and messages that a script or server made up, as one harmless line.

/// The text on one line, without characters that control a terminal or turn the direction of
/// writing, and cut after `most` characters.
pub(crate) fn clean(text: &str, most: usize) -> String {
    let harmless = |char: char| !char.is_control() && !turns(char);
    let spaced: String = text
        .chars()
        .map(|char| if harmless(char) { char } else { ' ' })
        .collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Whether it is one of Unicode's marks that turn what follows around.
fn turns(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn any_text_becomes_one_harmless_line() {
        for (text, line) in [
            ("one\n##[error]two", "one ##[error]two"),
            ("esc \u{1b}[31mred\u{7}", "esc [31mred"),
            ("\u{202e}gnp.exe", "gnp.exe"),
            (" a \t b ", "a b"),
            ("  ", ""),
            ("ünï 漢字 🚀", "ünï 漢字 🚀"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("0123456789abcdefg", "0123456789abcdef…"),
            (
                "ü漢字🚀ü漢字🚀ü漢字🚀ü漢字🚀ü",
                "ü漢字🚀ü漢字🚀ü漢字🚀ü漢字🚀…",
            ),
        ] {
            assert_eq!(clean(text, 16), line);
        }
    }
}
