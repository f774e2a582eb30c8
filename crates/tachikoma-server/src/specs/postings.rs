//! Where a term occurs and how much, in few bytes.

/// The specs in which a term occurs, by ascending place in the corpus, each with the weight of the
/// term's occurrences there. A spec takes about two bytes: the distance from the one before it
/// and the weight, seven bits to a byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Postings {
    specs: usize,
    bytes: Box<[u8]>,
}

impl Postings {
    /// Takes the weight of the term in every spec of the corpus, 0 where it does not occur.
    pub(super) fn from_weights(weights: &[u32]) -> Self {
        let (mut specs, mut next, mut bytes) = (0, 0, Vec::new());
        for (place, &weight) in weights
            .iter()
            .enumerate()
            .filter(|(_, weight)| **weight > 0)
        {
            push(&mut bytes, place - next);
            push(&mut bytes, weight as usize);
            next = place + 1;
            specs += 1;
        }
        Self {
            specs,
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// How many specs have the term.
    pub(super) fn specs(&self) -> usize {
        self.specs
    }

    /// Memory that this takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Place and weight of each spec.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, u32)> {
        let (mut rest, mut next) = (self.bytes.iter(), 0);
        std::iter::from_fn(move || {
            let place = next + pull(&mut rest)?;
            let weight = pull(&mut rest)?;
            next = place + 1;
            // Weights were 32 bits wide when they were put in.
            #[expect(clippy::cast_possible_truncation, reason = "see above")]
            Some((place, weight as u32))
        })
    }
}

fn push(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pull(bytes: &mut std::slice::Iter<'_, u8>) -> Option<usize> {
    let mut byte = *bytes.next()?;
    let (mut number, mut shift) = (usize::from(byte & 0x7f), 7);
    while byte >= 0x80 {
        byte = *bytes.next()?;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_went_in_comes_out(
            weights in prop::collection::vec(prop_oneof![9 => Just(0), 1 => any::<u32>()], 0..2_000)
        ) {
            let postings = Postings::from_weights(&weights);
            let expected: Vec<_> = weights.iter().copied().enumerate().filter(|(_, w)| *w > 0).collect();
            prop_assert_eq!(postings.specs(), expected.len());
            prop_assert_eq!(postings.iter().collect::<Vec<_>>(), expected);
        }
    }
}
