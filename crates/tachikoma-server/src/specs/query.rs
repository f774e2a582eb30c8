//! From what a user types to what FTS5 understands.

/// Most words of a search that count; the rest is ignored.
const WORDS_MAX: usize = 16;

/// Turns any text into an FTS5 query that cannot fail: each word becomes a quoted string, in
/// which nothing has a meaning, and all of them must occur; the last may be the beginning of a
/// word. `None` if there is nothing to look for.
pub fn to_fts(text: &str) -> Option<String> {
    let mut query = String::with_capacity(text.len() + 8);
    // Control characters separate words as well: a NUL would end the query within SQLite.
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX);
    for word in words {
        if !query.is_empty() {
            query.push(' ');
        }
        query.push('"');
        for c in word.chars() {
            if c == '"' {
                query.push('"');
            }
            query.push(c);
        }
        query.push('"');
    }
    if query.is_empty() {
        return None;
    }
    query.push('*');
    Some(query)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_and_nothing_else_is_left() {
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
