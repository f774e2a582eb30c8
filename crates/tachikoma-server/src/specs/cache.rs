//! Answers of recent searches, in bounded memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::bounded::BoundedMap;

/// Bytes of keys and answers in each of the two generations.
const GENERATION_BYTES: usize = 4 * 1024 * 1024;

/// Remembers answers until the specs change.
#[derive(Debug)]
pub(super) struct SearchCache {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    answers: BoundedMap<Bytes>,
    epoch: u64,
}

impl Default for SearchCache {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                answers: BoundedMap::new(GENERATION_BYTES),
                epoch: 0,
            }),
        }
    }
}

impl SearchCache {
    /// The answer to `key`, or the epoch that [`SearchCache::put`] wants.
    pub(super) fn get(&self, key: &str) -> Result<Bytes, u64> {
        let mut inner = self.lock();
        inner.answers.get(key).ok_or(inner.epoch)
    }

    /// Remembers an answer, unless the specs have changed since it was looked for.
    pub(super) fn put(&self, key: String, answer: Bytes, epoch: u64) {
        let mut inner = self.lock();
        if inner.epoch == epoch {
            let bytes = answer.len();
            inner.answers.insert(key, answer, bytes);
        }
    }

    /// Forgets everything, because the specs have changed.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        inner.answers.clear();
        inner.epoch += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No code that could panic runs under this lock half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let cache = SearchCache::default();
        let epoch = cache.get("a").expect_err("nothing there");
        cache.put("a".into(), Bytes::from_static(b"1"), epoch);
        assert_eq!(cache.get("a"), Ok(Bytes::from_static(b"1")));
        cache.clear();
        let later = cache.get("a").expect_err("forgotten");
        cache.put("a".into(), Bytes::from_static(b"1"), epoch);
        assert_eq!(cache.get("a"), Err(later));
    }
}
