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
    let mut chars = text.chars();
    std::iter::from_fn(move || {
        loop {
            match chars.next()? {
                // `ESC [` ends with a final byte, `ESC ]` with a terminator, any other with the next character.
                '\u{1b}' => match chars.next()? {
                    '[' => while !('\u{40}'..='\u{7e}').contains(&chars.next()?) {},
                    ']' => while !matches!(chars.next()?, '\u{7}' | '\\') {},
                    _ => {}
                },
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

/// The text, cut after `most` words.
#[must_use]
pub fn brief(text: &str, most: usize) -> String {
    let mut words = text.split_whitespace();
    let kept: Vec<&str> = words.by_ref().take(most).collect();
    let more = if words.next().is_some() { "…" } else { "" };
    format!("{}{more}", kept.join(" "))
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
            ("\u{1b}]0;title\u{7}y", "y"),
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
