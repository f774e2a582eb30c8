//! The words around the place that a search has found.
//!
//! FTS5 has a function for this, but it tokenizes each whole text again and took more than half of
//! a search's time.

/// Bytes to show before and after the beginning of the place, about.
const BEFORE: usize = 60;
const AFTER: usize = 120;

/// Letters of a word that must agree if the whole word is not there: the index knows words by
/// their stems, so that "testing" also finds "tests".
const STEM: usize = 4;

/// Bytes that are looked at together.
const BLOCK: usize = 64;

/// The bit in which upper and lower case of an ASCII letter differ.
const CASE: u8 = 0x20;

/// Some words around the first place in `content` where a word of `search` begins, or the
/// beginning of `content` if there is no such place.
pub(super) fn excerpt(content: &str, search: &str) -> String {
    let place = search
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .find_map(|word| find(content, word).or_else(|| find(content, stem(word)?)))
        .unwrap_or(0);
    let begin = boundary_before(content, place.saturating_sub(BEFORE), place);
    let end = boundary_after(content, (place + AFTER).min(content.len()));
    let before = if begin > 0 { "…" } else { "" };
    let after = if end < content.len() { "…" } else { "" };
    format!("{before}{}{after}", content[begin..end].trim())
}

/// The position of a word that begins with `word`, whatever the case of ASCII letters.
fn find(content: &str, word: &str) -> Option<usize> {
    let (content, word) = (content.as_bytes(), word.as_bytes());
    let begins_at = |at: usize| {
        (at == 0 || !content[at - 1].is_ascii_alphanumeric())
            && content[at..].len() >= word.len()
            && content[at..at + word.len()].eq_ignore_ascii_case(word)
    };
    let mut begin = 0;
    if let [first, second, third, ..] = *word {
        let letters = [first | CASE, second | CASE, third | CASE];
        while let Some(block) = content[begin..].first_chunk() {
            if may_begin(block, letters)
                && let Some(at) = (begin..begin + BLOCK).find(|&at| begins_at(at))
            {
                return Some(at);
            }
            begin += BLOCK;
        }
    }
    (begin..content.len()).find(|&at| begins_at(at))
}

/// Whether a block may have three letters side by side. Most have not, which is seen without a
/// branch for each byte, so that the compiler can compare many at a time.
fn may_begin(block: &[u8; BLOCK + 2], [first, second, third]: [u8; 3]) -> bool {
    let mut seen = 0;
    for at in 0..BLOCK {
        seen |= u8::from(block[at] | CASE == first)
            & u8::from(block[at + 1] | CASE == second)
            & u8::from(block[at + 2] | CASE == third);
    }
    seen != 0
}

fn stem(word: &str) -> Option<&str> {
    let (end, _) = word.char_indices().nth(STEM)?;
    Some(&word[..end])
}

/// The first space from `from` up to `place`, or the next whole character without one.
fn boundary_before(content: &str, from: usize, place: usize) -> usize {
    if from == 0 {
        return 0;
    }
    let from = content.ceil_char_boundary(from).min(place);
    content[from..place]
        .find(char::is_whitespace)
        .map_or(from, |space| from + space)
}

/// The last space before `to`, if there is one close to it, or the whole character before it.
fn boundary_after(content: &str, to: usize) -> usize {
    if to >= content.len() {
        return content.len();
    }
    let to = content.floor_char_boundary(to);
    let near = content.floor_char_boundary(to.saturating_sub(BEFORE / 2));
    content[near..to]
        .rfind(char::is_whitespace)
        .map_or(to, |space| near + space)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_place_is_shown_with_words_around_it() {
        let text = format!(
            "{} The Config file is read once. {}",
            "a b".repeat(60),
            "c d".repeat(60)
        );
        let shown = excerpt(&text, "config");
        assert!(shown.contains("The Config file is read once."), "{shown}");
        assert!(shown.starts_with('…') && shown.ends_with('…'), "{shown}");
        assert!(shown.len() < 220, "{} bytes", shown.len());
    }

    #[test]
    fn stems_are_found_and_else_the_beginning_is_shown() {
        let text = format!("First words. {} All tests pass.", "x ".repeat(200));
        assert!(excerpt(&text, "testing").contains("All tests pass."));
        assert!(excerpt(&text, "zebra").starts_with("First words."));
        assert_eq!(excerpt("", "zebra"), "");
        assert_eq!(excerpt("short", ""), "short");
    }

    proptest! {
        #[test]
        fn the_first_place_is_found(content in "[abAB1é .]{0,300}", word in "[abAB1é]{1,4}") {
            let (bytes, sought) = (content.as_bytes(), word.as_bytes());
            let expected = (0..bytes.len()).find(|&at| {
                bytes[at..].len() >= sought.len()
                    && bytes[at..at + sought.len()].eq_ignore_ascii_case(sought)
                    && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric())
            });
            prop_assert_eq!(find(&content, &word), expected);
        }

        #[test]
        fn any_text_can_be_cut(content in "\\PC{0,300}|[é🕷a ]{0,200}", search in "\\PC{0,10}|[éa🕷]{0,6}") {
            let shown = excerpt(&content, &search);
            prop_assert!(shown.len() <= content.len() + 6);
        }
    }
}
