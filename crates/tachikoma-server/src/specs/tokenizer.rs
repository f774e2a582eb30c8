//! The terms of a word, from FTS5 itself.

use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::index::TOKENIZER;

/// Asks an empty FTS5 table in memory, so that the terms are those of the index in every case.
#[derive(Debug, Default)]
pub(super) struct Tokenizer {
    connection: Mutex<Option<Connection>>,
}

impl Tokenizer {
    /// The one term that `word` is to the index; `None` if it is several, or none.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn term(&self, word: &str) -> rusqlite::Result<Option<String>> {
        let mut connection = self
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A connection whose work failed half-way is not used again.
        let ready = match connection.take() {
            Some(ready) => ready,
            None => open()?,
        };
        let mut terms = terms(&ready, word)?;
        *connection = Some(ready);
        Ok(if terms.len() == 1 { terms.pop() } else { None })
    }
}

fn open() -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE words USING fts5 (word, content = '', tokenize = '{TOKENIZER}');
         CREATE VIRTUAL TABLE terms USING fts5vocab (words, instance);"
    ))?;
    Ok(connection)
}

fn terms(connection: &Connection, word: &str) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached("INSERT INTO words (rowid, word) VALUES (1, ?1)")?
        .execute([word])?;
    let mut statement = connection.prepare_cached("SELECT term FROM terms")?;
    let terms = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    connection
        .prepare_cached("INSERT INTO words (words) VALUES ('delete-all')")?
        .execute([])?;
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_those_of_the_index() {
        let tokenizer = Tokenizer::default();
        let term = |word| tokenizer.term(word).expect("SQLite works");
        assert_eq!(term("Testing").as_deref(), Some("test"));
        assert_eq!(term("Éclair,").as_deref(), Some("eclair"));
        assert_eq!(term("two-words"), None);
        assert_eq!(term("…"), None);
        assert_eq!(term("tests").as_deref(), Some("test"));
    }
}
