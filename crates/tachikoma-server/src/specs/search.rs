//! Lookup and search over the index.

use std::path::PathBuf;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::cache::SearchCache;
use super::excerpt::excerpt;
use super::files::SpecsError;
use super::index::{self, Changes};
use super::query;
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
}

impl SpecSearch {
    /// Specs in `folder`, indexed in the database `index`.
    pub fn new(folder: PathBuf, index: PathBuf) -> Self {
        Self {
            folder,
            index,
            cache: SearchCache::default(),
        }
    }

    /// Takes over what has changed in the folder. Blocks while it reads files.
    ///
    /// # Errors
    /// [`SpecsError`]; the index is then as it was before.
    pub fn reindex(&self) -> Result<Changes, SpecsError> {
        let changes = index::update(&self.index, &self.folder)?;
        self.cache.clear();
        Ok(changes)
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
        let Some(query) = query::to_fts(text) else {
            return Ok(Bytes::from_static(b"[]"));
        };
        let key = format!("{limit} {query}");
        let epoch = match self.cache.get(&key) {
            Ok(answer) => return Ok(answer),
            Err(epoch) => epoch,
        };
        let text = text.to_owned();
        let hits = store
            .read(move |connections| find(&connections.specs, &query, &text, limit))
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
    query: &str,
    text: &str,
    limit: usize,
) -> rusqlite::Result<Vec<SpecHit>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // FTS5 ranks all matches; only the best of them are looked up and excerpted.
    let mut statement = connection.prepare_cached(
        "SELECT specs.id, specs.title, specs.content, -rank
         FROM spec_words JOIN specs ON specs.row = spec_words.rowid
         WHERE spec_words MATCH ?1 ORDER BY rank LIMIT ?2",
    )?;
    let hits = statement.query_map(params![query, limit], |row| {
        Ok(SpecHit {
            id: row.get(0)?,
            title: row.get(1)?,
            snippet: excerpt(row.get_ref(2)?.as_str()?, text),
            score: row.get(3)?,
        })
    })?;
    hits.collect()
}
