//! Names and messages that a script or server made up, made harmless.

/// The text on one line of single spaces, harmless and cut after `most` characters.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let harmless: String = harmless(text).collect();
    let words: Vec<&str> = harmless.split_whitespace().collect();
    cut(&words.join(" "), most)
}

/// The text without the characters and escape sequences that control a terminal or turn the direction of writing; white
/// space becomes spaces.
pub fn harmless(text: &str) -> impl Iterator<Item = char> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        loop {
            match chars.next()? {
                '\u{1b}' => {
                    // A sequence such as `ESC [ 31 m` ends with a letter.
                    if chars.next_if_eq(&'[').is_some() {
                        while chars.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                        let _letter = chars.next();
                    }
                }
                '\n' | '\t' => return Some(' '),
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}' => {}
                c if c.is_control() => {}
                c => return Some(c),
            }
        }
    })
}

/// The text, cut after `most` characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn any_text_becomes_one_harmless_line() {
        for (text, line) in [
            ("one\n##[error]two", "one ##[error]two"),
            ("esc \u{1b}[31mred\u{1b}[0m \u{0}nul\u{7}", "esc red nul"),
            ("one\r\ntwo\tthree", "one two three"),
            ("\u{1b}[2", ""),
            ("\u{202e}gnp.\u{2028}", "gnp."),
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
            assert_eq!(one_line(text, 16), line);
        }
    }
}
