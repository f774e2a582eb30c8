//! From what a user types to what FTS5 understands.

/// Most words of a search that count; the rest is ignored.
const WORDS_MAX: usize = 16;

/// The words of any text that count in a search.
pub fn words(text: &str) -> Vec<&str> {
    // Control characters separate words as well: a NUL would end the query within SQLite.
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .collect()
}

/// Turns words into an FTS5 query that cannot fail: each becomes a quoted string, in which nothing
/// has a meaning, and all of them must occur; the last may be the beginning of a word. `None` if
/// there is nothing to look for.
pub fn to_fts(words: &[&str]) -> Option<String> {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("\"{}\"", word.replace('"', "\"\"")))
        .collect();
    (!quoted.is_empty()).then(|| quoted.join(" ") + "*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_nothing_else_is_left() {
        let to_fts = |text| to_fts(&words(text));
        assert_eq!(to_fts("config").as_deref(), Some("\"config\"*"));
        assert_eq!(to_fts(" a  OR b ").as_deref(), Some("\"a\" \"OR\" \"b\"*"));
        assert_eq!(
            to_fts("say \"hi\"").as_deref(),
            Some("\"say\" \"\"\"hi\"\"\"*")
        );
        assert_eq!(to_fts("a\0b").as_deref(), Some("\"a\" \"b\"*"));
        assert_eq!(
            to_fts("title:x^2 NEAR(").as_deref(),
            Some("\"title:x^2\" \"NEAR(\"*")
        );
        for nothing in ["", "  ", "\"", "* - ()", "\0\n"] {
            assert_eq!(to_fts(nothing), None, "{nothing:?}");
        }
    }
}
