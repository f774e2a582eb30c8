//! Mission ids: UUID version 7 (RFC 9562, 5.7), always growing.

use std::hash::{BuildHasher, RandomState};

use uuid::{Uuid, Variant, Version};

/// The low 62 bits of a UUID, below the variant: random, then counted up.
const COUNTER_BITS: u32 = 62;
const COUNTER_MASK: u128 = (1 << COUNTER_BITS) - 1;

/// Makes ids of which each is greater than all before it, even if the clock is set back, within a
/// millisecond, and across restarts (give it the greatest id of the database).
#[derive(Debug)]
pub struct IdGenerator {
    millis: u64,
    counter: u64,
}

impl IdGenerator {
    /// Continues after `last`, the greatest id so far.
    pub fn after(last: Option<Uuid>) -> Self {
        let bits = last.map_or(0, |id| id.as_u128());
        let millis = u64::try_from(bits >> 80).unwrap_or(0);
        let counter = u64::try_from(bits & COUNTER_MASK).unwrap_or(0);
        Self { millis, counter }
    }

    /// The next id, for a time in milliseconds since the Unix epoch.
    pub fn next(&mut self, now_millis: i64) -> Uuid {
        let now = u64::try_from(now_millis).unwrap_or(0) & ((1 << 48) - 1);
        if now > self.millis {
            self.millis = now;
            // The top bit stays free, so that counting up within the millisecond cannot overflow.
            self.counter = RandomState::new().hash_one(now) >> (65 - COUNTER_BITS);
        } else {
            self.counter += 1;
        }
        let bits = (u128::from(self.millis) << 80) | u128::from(self.counter);
        let mut bytes = bits.to_be_bytes();
        bytes[6] = (bytes[6] & 0x0f) | ((Version::SortRand as u8) << 4);
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Uuid::from_bytes(bytes);
        debug_assert_eq!(id.get_variant(), Variant::RFC4122);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_whatever_the_clock_does() {
        let mut generator = IdGenerator::after(None);
        let mut last = Uuid::nil();
        for now in [
            1_000,
            1_000,
            1_000,
            2_000,
            1_500,
            -3,
            2_000,
            2_001,
            i64::MAX,
        ] {
            let id = generator.next(now);
            assert!(id > last, "{id} after {last} at {now}");
            assert_eq!(id.get_version(), Some(Version::SortRand));
            assert_eq!(id.get_variant(), Variant::RFC4122);
            last = id;
        }
    }

    #[test]
    fn a_restart_continues_where_the_last_run_ended() {
        let last = IdGenerator::after(None).next(5_000);
        let next = IdGenerator::after(Some(last)).next(4_000);
        assert!(next > last);
    }
}
