//! Answers of recent searches, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// Bytes of keys and answers in each of the two generations.
const GENERATION_BYTES: usize = 4 * 1024 * 1024;

/// Fixed cost that is counted for each entry, in bytes.
const ENTRY_BYTES: usize = 128;

/// Remembers answers in two generations: when the young one is full it becomes the old one, and
/// the old one is forgotten. An answer that is asked for again moves to the young one.
#[derive(Debug, Default)]
pub(super) struct SearchCache {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    young: HashMap<String, Bytes>,
    old: HashMap<String, Bytes>,
    young_bytes: usize,
    epoch: u64,
}

impl SearchCache {
    /// The answer to `key`, or the epoch that [`SearchCache::put`] wants.
    pub(super) fn get(&self, key: &str) -> Result<Bytes, u64> {
        let mut inner = self.lock();
        if let Some(answer) = inner.young.get(key) {
            return Ok(answer.clone());
        }
        match inner.old.remove_entry(key) {
            Some((key, answer)) => {
                inner.insert(key, answer.clone());
                Ok(answer)
            }
            None => Err(inner.epoch),
        }
    }

    /// Remembers an answer, unless the specs have changed since it was looked for.
    pub(super) fn put(&self, key: String, answer: Bytes, epoch: u64) {
        let mut inner = self.lock();
        if inner.epoch == epoch {
            inner.insert(key, answer);
        }
    }

    /// Forgets everything, because the specs have changed.
    pub(super) fn clear(&self) {
        let mut inner = self.lock();
        *inner = Inner {
            epoch: inner.epoch + 1,
            ..Inner::default()
        };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // No code that could panic runs under this lock half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn insert(&mut self, key: String, answer: Bytes) {
        let size = key.len() + answer.len() + ENTRY_BYTES;
        if size > GENERATION_BYTES {
            return;
        }
        if self.young_bytes + size > GENERATION_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += size;
        self.young.insert(key, answer);
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

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let cache = SearchCache::default();
        let big = Bytes::from(vec![0; 100_000]);
        for index in 0..1_000 {
            let epoch = cache.get(&format!("key{index}")).expect_err("new");
            cache.put(format!("key{index}"), big.clone(), epoch);
            assert!(cache.get("key0").is_ok(), "forgotten at {index}");
        }
        let inner = cache.lock();
        let held = (inner.young.len() + inner.old.len()) * big.len();
        assert!(held <= 2 * GENERATION_BYTES, "{held} bytes");
    }
}
