//! Ranks specs as FTS5 does, from posting lists that are kept in memory.
//!
//! FTS5 reads and decodes for each search again the occurrences of its words and the length of
//! every spec that has them, three times as much as a search's other work. Here each word's are
//! read from FTS5's index once, through its `fts5vocab` table, and remembered in few bytes. The
//! scores are those of FTS5's `bm25` to the last bit, because the formula, its constants and the
//! order of its operations are the same (SQLite, "FTS5 Extension", section 5.1.1).

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};

use super::bounded::BoundedMap;
use super::index::{CONTENT_WEIGHT, TITLE_WEIGHT};
use super::postings::Postings;
use super::tokenizer::Tokenizer;

/// Bytes of words and posting lists in each of two generations.
const GENERATION_BYTES: usize = 8 * 1024 * 1024;

/// Constants of BM25.
const K1: f64 = 1.2;
const B: f64 = 0.75;

/// The least weight of a word, of one that more than half of the specs have.
const IDF_MIN: f64 = 1e-6;

/// A spec's row in the index and its relevance; greater is better.
pub(super) type Ranked = (i64, f64);

/// What is remembered of the index.
#[derive(Debug, Default)]
pub(super) struct Ranker {
    corpus: Mutex<Option<Arc<Corpus>>>,
    tokenizer: Tokenizer,
}

/// One state of the index.
#[derive(Debug)]
struct Corpus {
    /// Which state this is.
    generation: i64,
    /// Each spec's row, ascending, and its length in terms.
    rows: Vec<i64>,
    lengths: Vec<f64>,
    mean_length: f64,
    words: Mutex<BoundedMap<Word>>,
}

/// What a word of a search is to the index.
#[derive(Debug, Clone)]
enum Word {
    Term(Arc<Postings>),
    /// Several terms that must follow each other, or none: FTS5's business.
    Phrase,
}

impl Ranker {
    /// The `limit` most relevant specs in which all `words` occur, the last maybe as a beginning;
    /// `None` if only FTS5 can tell. `connection` is in a transaction.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn best(
        &self,
        connection: &Connection,
        words: &[&str],
        limit: usize,
    ) -> rusqlite::Result<Option<Vec<Ranked>>> {
        let corpus = self.corpus(connection)?;
        let mut lists = Vec::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            let is_beginning = index + 1 == words.len();
            match self.word(&corpus, connection, word, is_beginning)? {
                Word::Term(postings) => lists.push(postings),
                Word::Phrase => return Ok(None),
            }
        }
        Ok(Some(corpus.best(&lists, limit)))
    }

    /// The state of the index that the transaction sees.
    fn corpus(&self, connection: &Connection) -> rusqlite::Result<Arc<Corpus>> {
        let generation = connection
            .prepare_cached("SELECT generation FROM spec_state")?
            .query_row([], |row| row.get(0))?;
        let mut current = self.corpus.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(corpus) = &*current
            && corpus.generation == generation
        {
            return Ok(corpus.clone());
        }
        let corpus = Arc::new(Corpus::read(connection, generation)?);
        *current = Some(corpus.clone());
        Ok(corpus)
    }

    fn word(
        &self,
        corpus: &Corpus,
        connection: &Connection,
        word: &str,
        is_beginning: bool,
    ) -> rusqlite::Result<Word> {
        // No word has a space, so that a beginning has a key of its own.
        let key = format!("{word}{}", if is_beginning { " " } else { "" });
        if let Some(known) = corpus.words().get(&key) {
            return Ok(known);
        }
        let (found, bytes) = match self.tokenizer.term(word)? {
            Some(term) => {
                let postings = corpus.postings(connection, &term, is_beginning)?;
                let bytes = postings.bytes();
                (Word::Term(Arc::new(postings)), bytes)
            }
            None => (Word::Phrase, 0),
        };
        corpus.words().insert(key, found.clone(), bytes);
        Ok(found)
    }
}

impl Corpus {
    fn read(connection: &Connection, generation: i64) -> rusqlite::Result<Self> {
        let (mut rows, mut lengths) = (Vec::new(), Vec::new());
        let mut statement =
            connection.prepare("SELECT id, sz FROM spec_words_docsize ORDER BY id")?;
        let mut sizes = statement.query([])?;
        while let Some(row) = sizes.next()? {
            rows.push(row.get(0)?);
            lengths.push(length(row.get_ref(1)?.as_blob()?));
        }
        Ok(Self {
            generation,
            mean_length: lengths.iter().sum::<f64>() / lengths.len() as f64,
            rows,
            lengths,
            words: Mutex::new(BoundedMap::new(GENERATION_BYTES)),
        })
    }

    fn words(&self) -> std::sync::MutexGuard<'_, BoundedMap<Word>> {
        // No code that could panic runs under this lock half-way through a change.
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads where a term occurs, or any term that begins so.
    fn postings(
        &self,
        connection: &Connection,
        term: &str,
        is_beginning: bool,
    ) -> rusqlite::Result<Postings> {
        let mut statement = connection.prepare_cached(if is_beginning {
            "SELECT doc, col FROM spec_terms WHERE term >= ?1 AND term <= ?2"
        } else {
            "SELECT doc, col FROM spec_terms WHERE term = ?1"
        })?;
        // The last of all characters is in no term.
        let mut occurrences = if is_beginning {
            statement.query(params![term, format!("{term}\u{10ffff}")])?
        } else {
            statement.query(params![term])?
        };
        let mut weights = vec![0u32; self.rows.len()];
        while let Some(row) = occurrences.next()? {
            let weight = match row.get_ref(1)?.as_bytes()? {
                b"title" => TITLE_WEIGHT,
                _ => CONTENT_WEIGHT,
            };
            if let Some(place) = self.place(row.get(0)?) {
                weights[place] = weights[place].saturating_add(weight);
            }
        }
        Ok(Postings::from_weights(&weights))
    }

    /// The place of a row in the corpus.
    fn place(&self, row: i64) -> Option<usize> {
        // Rows are numbered without gaps until specs are removed or changed.
        let guess = usize::try_from(row - self.rows.first()?).ok()?;
        if self.rows.get(guess) == Some(&row) {
            return Some(guess);
        }
        self.rows.binary_search(&row).ok()
    }

    fn best(&self, lists: &[Arc<Postings>], limit: usize) -> Vec<Ranked> {
        let Some((first, others)) = lists.split_first() else {
            return Vec::new();
        };
        let idf = self.idf(first);
        let mut found: Vec<(usize, f64)> = first
            .iter()
            .map(|(place, weight)| (place, self.score(idf, place, weight)))
            .collect();
        for list in others {
            let (idf, mut list) = (self.idf(list), list.iter());
            let mut next = list.next();
            found.retain_mut(|(place, score)| {
                while next.is_some_and(|(other, _)| other < *place) {
                    next = list.next();
                }
                match next {
                    Some((other, weight)) if other == *place => {
                        *score += self.score(idf, *place, weight);
                        true
                    }
                    _ => false,
                }
            });
        }
        // Of equal scores the older row is first.
        let order =
            |a: &(usize, f64), b: &(usize, f64)| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        if found.len() > limit {
            found.select_nth_unstable_by(limit, order);
            found.truncate(limit);
        }
        found.sort_unstable_by(order);
        found
            .into_iter()
            .map(|(place, score)| (self.rows[place], score))
            .collect()
    }

    fn idf(&self, list: &Postings) -> f64 {
        let (rows, hits) = (self.rows.len() as f64, list.specs() as f64);
        let idf = ((rows - hits + 0.5) / (hits + 0.5)).ln();
        if idf <= 0.0 { IDF_MIN } else { idf }
    }

    fn score(&self, idf: f64, place: usize, weight: u32) -> f64 {
        let frequency = f64::from(weight);
        let length = self.lengths[place];
        idf * ((frequency * (K1 + 1.0))
            / (frequency + K1 * (1.0 - B + B * length / self.mean_length)))
    }
}

/// A spec's terms in all columns, from FTS5's record of them: a varint for each column, seven bits
/// to a byte, the highest first.
fn length(sizes: &[u8]) -> f64 {
    let (mut total, mut size) = (0u64, 0u64);
    for byte in sizes {
        size = size << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            total += size;
            size = 0;
        }
    }
    total as f64
}
