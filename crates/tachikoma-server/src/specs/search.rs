//! Lookup and search over the index. Each is one statement: it sees one state of the index, and no
//! transaction outlives it.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// Most words of a search that count; the rest is ignored.
const WORDS_MAX: usize = 16;

/// A spec in full.
#[derive(Debug, Clone, Serialize)]
pub struct Spec {
    /// `010` of `010-name.md`.
    pub id: String,
    /// The first heading.
    pub title: String,
    /// The file's name.
    pub file: String,
    /// The whole Markdown text.
    pub content: String,
}

/// A spec that a search has found.
#[derive(Debug, Clone, Serialize)]
pub struct SpecHit {
    /// The spec's id.
    pub id: String,
    /// The first heading.
    pub title: String,
    /// Some words around the place.
    pub snippet: String,
    /// Relevance (BM25, headings weigh five times); greater is better.
    pub score: f64,
}

/// One spec; `None` if there is no such spec.
///
/// # Errors
/// What SQLite reports.
pub fn get(index: &Connection, id: &str) -> rusqlite::Result<Option<Spec>> {
    index
        .prepare_cached("SELECT id, title, name, content FROM specs WHERE id = ?1")?
        .query_row([id], |row| {
            Ok(Spec {
                id: row.get(0)?,
                title: row.get(1)?,
                file: row.get(2)?,
                content: row.get(3)?,
            })
        })
        .optional()
}

/// The `limit` most relevant specs, best first.
///
/// Ordered by FTS5's own `rank` instead of `bm25`, all that match would be sorted, with where their words stand.
///
/// # Errors
/// What SQLite reports.
pub fn find(index: &Connection, text: &str, limit: usize) -> rusqlite::Result<Vec<SpecHit>> {
    let words = words(text);
    let Some(fts) = to_fts(&words) else {
        return Ok(Vec::new());
    };
    index
        .prepare_cached(
            "SELECT specs.id, specs.title, specs.content, -best.score
             FROM (SELECT rowid, bm25(spec_words, 5.0, 1.0) AS score FROM spec_words
                   WHERE spec_words MATCH ?1 ORDER BY score LIMIT ?2) AS best
             JOIN specs ON specs.row = best.rowid ORDER BY best.score",
        )?
        .query_map(
            params![fts, i64::try_from(limit).unwrap_or(i64::MAX)],
            |row| {
                Ok(SpecHit {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    snippet: excerpt(row.get_ref(2)?.as_str()?, &words),
                    score: row.get(3)?,
                })
            },
        )?
        .collect()
}

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

/// The text around the first word that stands there literally, or the beginning.
///
/// FTS5's `snippet` would tokenize each whole text twice more, which takes longer than to find and
/// rank the specs.
fn excerpt(content: &str, words: &[&str]) -> String {
    // Only ASCII letters change, so that places stay the same.
    let lower = content.to_ascii_lowercase();
    let place = words
        .iter()
        .find_map(|word| lower.find(&word.to_ascii_lowercase()))
        .unwrap_or(0);
    let begin = content.floor_char_boundary(place.saturating_sub(60));
    let end = content.ceil_char_boundary(place + 120);
    content[begin..end].trim().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn an_excerpt_shows_the_word_whatever_its_case() {
        let text = format!("{} The Config file. {}", "a b".repeat(60), "c d".repeat(60));
        let shown = excerpt(&text, &["zebra", "config"]);
        assert!(shown.contains("The Config file."), "{shown}");
        assert!(shown.len() <= 180, "{shown}");
        assert!(excerpt(&text, &["zebra"]).starts_with("a b"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_cut(content in "\\PC{0,300}|[é🕷a ]{0,200}", word in "\\PC{1,10}|[éa🕷]{1,6}") {
            prop_assert!(excerpt(&content, &[&word]).len() <= content.len().min(190));
        }
    }
}
