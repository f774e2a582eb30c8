//! A map in bounded memory that forgets what was not used for long.

use std::collections::HashMap;

/// Fixed cost that is counted for each entry, in bytes.
const ENTRY_BYTES: usize = 128;

/// Remembers values in two generations: when the young one is full it becomes the old one, and
/// the old one is forgotten. A value that is asked for again moves to the young one.
#[derive(Debug)]
pub(super) struct BoundedMap<V> {
    young: HashMap<String, (V, usize)>,
    old: HashMap<String, (V, usize)>,
    young_bytes: usize,
    generation_bytes: usize,
}

impl<V: Clone> BoundedMap<V> {
    /// An empty map whose two generations each hold at most `generation_bytes` of keys and values.
    pub(super) fn new(generation_bytes: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_bytes: 0,
            generation_bytes,
        }
    }

    /// The value of `key`.
    pub(super) fn get(&mut self, key: &str) -> Option<V> {
        if let Some((value, _)) = self.young.get(key) {
            return Some(value.clone());
        }
        let (key, (value, bytes)) = self.old.remove_entry(key)?;
        self.insert(key, value.clone(), bytes);
        Some(value)
    }

    /// Remembers a value that takes `bytes` beside its key, unless it alone is too large.
    pub(super) fn insert(&mut self, key: String, value: V, bytes: usize) {
        let size = key.len() + bytes + ENTRY_BYTES;
        if size > self.generation_bytes || self.young.contains_key(&key) {
            return;
        }
        if self.young_bytes + size > self.generation_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += size;
        self.young.insert(key, (value, bytes));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.generation_bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_what_is_used_stays() {
        let mut map = BoundedMap::new(1_000_000);
        for index in 0..1_000 {
            assert_eq!(map.get(&format!("key{index}")), None);
            map.insert(format!("key{index}"), index, 100_000);
            assert_eq!(map.get("key0"), Some(0), "forgotten at {index}");
        }
        let held = (map.young.len() + map.old.len()) * 100_000;
        assert!(held <= 2_000_000, "{held} bytes");
        map.insert("too large".into(), 1, 1_000_000);
        assert_eq!(map.get("too large"), None);
        map.clear();
        assert_eq!(map.get("key0"), None);
    }
}
