//! Lookup and search over the index.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Statement, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::cache::SearchCache;
use super::excerpt::excerpt;
use super::files::SpecsError;
use super::index::{self, Changes};
use super::query;
use super::rank::{Ranked, Ranker};
use crate::problem::Problem;
use crate::store::Store;

/// A spec in full.
#[derive(Debug, Clone, Serialize, ToSchema)]
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
#[derive(Debug, Clone, Serialize, ToSchema)]
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

/// The specs of a running server.
#[derive(Debug)]
pub struct SpecSearch {
    folder: PathBuf,
    index: PathBuf,
    cache: SearchCache,
    ranker: Arc<Ranker>,
}

impl SpecSearch {
    /// Specs in `folder`, indexed in the database `index`.
    pub fn new(folder: PathBuf, index: PathBuf) -> Self {
        Self {
            folder,
            index,
            cache: SearchCache::default(),
            ranker: Arc::default(),
        }
    }

    /// Takes over what has changed in the folder. Blocks while it reads files. Answers of before
    /// are still given, until they are [forgotten](Self::forget).
    ///
    /// # Errors
    /// [`SpecsError`]; the index is then as it was before.
    pub fn reindex(&self) -> Result<Changes, SpecsError> {
        index::update(&self.index, &self.folder)
    }

    /// Forgets the answers of before.
    pub fn forget(&self) {
        self.cache.clear();
    }

    /// One spec; `None` if there is no such spec.
    ///
    /// # Errors
    /// As the store.
    pub async fn get(&self, store: &Store, id: String) -> Result<Option<Spec>, Problem> {
        Ok(store
            .read(move |connections| select(&connections.specs, &id))
            .await?)
    }

    /// The JSON array of the `limit` most relevant specs.
    ///
    /// # Errors
    /// As the store.
    pub async fn search(&self, store: &Store, text: &str, limit: usize) -> Result<Bytes, Problem> {
        let Some(query) = query::to_fts(&query::words(text)) else {
            return Ok(Bytes::from_static(b"[]"));
        };
        let key = format!("{limit} {query}");
        let epoch = match self.cache.get(&key) {
            Ok(answer) => return Ok(answer),
            Err(epoch) => epoch,
        };
        let (text, ranker) = (text.to_owned(), self.ranker.clone());
        let hits = store
            .read(move |connections| find(&connections.specs, &ranker, &text, limit))
            .await?;
        let answer = Bytes::from(serde_json::to_vec(&hits).map_err(Problem::internal)?);
        self.cache.put(key, answer.clone(), epoch);
        Ok(answer)
    }
}

fn select(connection: &Connection, id: &str) -> rusqlite::Result<Option<Spec>> {
    connection
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

fn find(
    connection: &Connection,
    ranker: &Ranker,
    text: &str,
    limit: usize,
) -> rusqlite::Result<Vec<SpecHit>> {
    // All reads see the same state of the index. Unlike rusqlite's transactions, these are prepared
    // once. SQLite itself ends a transaction in which it met certain errors.
    if connection.is_autocommit() {
        connection.prepare_cached("BEGIN")?.execute([])?;
    }
    let hits = find_in_transaction(connection, ranker, text, limit)?;
    if !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.execute([])?;
    }
    Ok(hits)
}

fn find_in_transaction(
    connection: &Connection,
    ranker: &Ranker,
    text: &str,
    limit: usize,
) -> rusqlite::Result<Vec<SpecHit>> {
    let words = query::words(text);
    let best = match ranker.best(connection, &words, limit)? {
        Some(best) => best,
        None => best_by_fts(connection, &words, limit)?,
    };
    let mut statement =
        connection.prepare_cached("SELECT id, title, content FROM specs WHERE row = ?1")?;
    best.into_iter()
        .map(|spec| hit(&mut statement, spec, text))
        .collect()
}

fn best_by_fts(
    connection: &Connection,
    words: &[&str],
    limit: usize,
) -> rusqlite::Result<Vec<Ranked>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "SELECT rowid, -rank FROM spec_words WHERE spec_words MATCH ?1 ORDER BY rank LIMIT ?2",
        )?
        .query_map(params![query::to_fts(words), limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
}

fn hit(statement: &mut Statement, (row, score): Ranked, text: &str) -> rusqlite::Result<SpecHit> {
    statement.query_row([row], |row| {
        Ok(SpecHit {
            id: row.get(0)?,
            title: row.get(1)?,
            snippet: excerpt(row.get_ref(2)?.as_str()?, text),
            score,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::store::open::open_reader;

    /// Words with common beginnings, common stems, accents, joints, and words of no letters.
    const WORDS: [&str; 16] = [
        "test",
        "tests",
        "Testing",
        "tester",
        "te",
        "loop",
        "LOOPS",
        "loop-back",
        "café",
        "cafe",
        "x2",
        "2",
        "a",
        "zebra",
        "it's",
        "…",
    ];

    fn text(random: &mut fastrand::Rng, words: usize) -> String {
        let mut text = String::new();
        for _ in 0..words {
            // Some words are far commoner than others.
            let most = random.usize(1..=WORDS.len());
            let _ = write!(text, "{} ", WORDS[random.usize(..most)]);
        }
        text
    }

    fn write_specs(
        folder: &std::path::Path,
        random: &mut fastrand::Rng,
        ids: std::ops::Range<u32>,
    ) {
        for id in ids {
            let title = text(random, 3);
            let length = random.usize(..200);
            let content = format!("# {title}\n\n{}", text(random, length));
            std::fs::write(folder.join(format!("{id}-spec.md")), content).expect("a file");
        }
    }

    /// Our ranking and FTS5's, of all specs that a search finds.
    fn assert_same_ranking(connection: &Connection, ranker: &Ranker, search: &str) -> bool {
        let words = query::words(search);
        let Some(ours) = ranker.best(connection, &words, 1_000).expect("works") else {
            return false;
        };
        let mut theirs = best_by_fts(connection, &words, 1_000).expect("works");
        theirs.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        assert_eq!(ours, theirs, "{search:?}");
        let few = ranker.best(connection, &words, 3).expect("works");
        assert_eq!(
            few.as_deref(),
            Some(&theirs[..theirs.len().min(3)]),
            "{search:?}"
        );
        !ours.is_empty()
    }

    #[test]
    fn specs_are_ranked_as_fts5_ranks_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let (folder, index) = (dir.path().join("specs"), dir.path().join("specs.db"));
        std::fs::create_dir(&folder).expect("a folder");
        let mut random = fastrand::Rng::with_seed(7);
        write_specs(&folder, &mut random, 0..200);
        index::update(&index, &folder).expect("indexed");
        let (connection, ranker) = (open_reader(&index).expect("opens"), Ranker::default());
        let mut compared = 0;
        for round in 0..6 {
            for _ in 0..100 {
                let words = random.usize(1..=3);
                let mut search = text(&mut random, words).trim_end().to_owned();
                // Often only the beginning of the last word.
                let end = search.floor_char_boundary(search.len() - random.usize(..2));
                search.truncate(end);
                if !query::words(&search).is_empty() {
                    compared += usize::from(assert_same_ranking(&connection, &ranker, &search));
                }
            }
            // What was remembered is of the past now: some specs are gone, some new, some changed.
            let first = 10 + round * 20;
            for id in first..first + 5 {
                std::fs::remove_file(folder.join(format!("{id}-spec.md"))).expect("removed");
            }
            write_specs(&folder, &mut random, first + 5..first + 12);
            write_specs(&folder, &mut random, 200 + first..203 + first);
            index::update(&index, &folder).expect("indexed");
        }
        assert!(compared > 300, "only {compared} searches found something");
    }

    #[test]
    fn an_index_without_specs_finds_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let index = dir.path().join("specs.db");
        std::fs::create_dir(dir.path().join("specs")).expect("a folder");
        index::update(&index, &dir.path().join("specs")).expect("indexed");
        let connection = open_reader(&index).expect("opens");
        for search in ["test", "two-words", "…a"] {
            let found = find(&connection, &Ranker::default(), search, 20).expect("works");
            assert!(found.is_empty(), "{search}");
        }
    }
}
