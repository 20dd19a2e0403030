//! Splits the ids among machines: a shard takes one of N parts.
//!
//! The part of an id depends on its SHA-256 alone: not on the order of the ids, on duplicates, or on the other shards. So shards
//! need not know each other, and a shard that is lost can run again.

use std::fmt;
use std::num::NonZeroU64;

use crate::integrity::digest::sha256;

/// One of N parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    /// The number of the part, from 1.
    number: NonZeroU64,
    /// N.
    total: NonZeroU64,
}

impl Shard {
    /// Part `number` of `total`; `None` unless the number is from 1 to `total`.
    #[must_use]
    pub fn new(number: u64, total: u64) -> Option<Self> {
        let shard = Self { number: NonZeroU64::new(number)?, total: NonZeroU64::new(total)? };
        (number <= total).then_some(shard)
    }

    /// Whether this part has the task.
    #[must_use]
    pub fn includes(self, task_id: &str) -> bool {
        self.includes_hash(sha256(task_id.as_bytes()).first_chunk().copied().map_or(0, u64::from_be_bytes))
    }

    /// Whether this part has the ids whose SHA-256 begins with these 8 bytes.
    #[must_use]
    pub(crate) fn includes_hash(self, start: u64) -> bool {
        let part = (u128::from(start) * u128::from(self.total.get())) >> 64;
        part + 1 == u128::from(self.number.get())
    }

    /// Whether some id may be in both parts, which may be parts of different totals.
    #[must_use]
    pub(crate) fn overlaps(self, other: Self) -> bool {
        // A part is the range from (number - 1) / total to number / total of all hashes.
        let [number, total, other_number, other_total] =
            [self.number, self.total, other.number, other.total].map(|value| u128::from(value.get()));
        (number - 1) * other_total < other_number * total && (other_number - 1) * total < number * other_total
    }

    /// The number of the part, from 1.
    #[must_use]
    pub(crate) fn number(self) -> u64 {
        self.number.get()
    }

    /// The number of parts.
    #[must_use]
    pub(crate) fn total(self) -> u64 {
        self.total.get()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_is_from_1_to_the_total() {
        for (number, total, is_valid) in [(1, 1, true), (7, 7, true), (0, 7, false), (8, 7, false), (0, 0, false), (1, 0, false)]
        {
            assert_eq!(Shard::new(number, total).is_some(), is_valid, "{number}/{total}");
        }
    }

    #[test]
    fn each_id_is_in_exactly_one_shard() {
        for total in [1, 2, 3, 7, 100, u64::MAX] {
            for id in 0..200 {
                let id = id.to_string();
                let count = (1..=total.min(100)).filter(|number| Shard::new(*number, total).unwrap().includes(&id)).count();
                assert!(count == 1 || total == u64::MAX, "{id} of {total}");
            }
        }
    }

    #[test]
    fn parts_are_those_of_the_contract() {
        // floor(H * N / 2^64) + 1, with H from `printf ID | sha256sum | cut -c -16`, computed with Python.
        for (id, total, number) in EXPECTED {
            assert!(Shard::new(number, total).unwrap().includes(id), "{id} of {total}");
        }
    }

    #[test]
    fn parts_overlap_where_some_hash_is_in_both() {
        for (total, other_total) in [(1, 1), (1, 7), (2, 2), (3, 7), (7, 3), (4, 8), (100, 7)] {
            for (number, other) in (1..=total).flat_map(|number| (1..=other_total).map(move |other| (number, other))) {
                let (part, other) = (Shard::new(number, total).unwrap(), Shard::new(other, other_total).unwrap());
                // The first hash of each of the finer parts is in one part of each total.
                let hashes = (0..total * other_total).map(|part| u64::MAX / (total * other_total) * part + part);
                let is_shared = hashes.into_iter().any(|hash| part.includes_hash(hash) && other.includes_hash(hash));
                assert_eq!(part.overlaps(other), is_shared, "{part} {other}");
            }
        }
        assert!(Shard::new(u64::MAX, u64::MAX).unwrap().overlaps(Shard::new(7, 7).unwrap()));
    }

    const EXPECTED: [(&str, u64, u64); 6] = [
        ("777935781150867525", 7, 4),
        ("777935781150867525", 1000, 568),
        ("67c1fa75-25c8-4f90-af8a-c7b73d7e70bc", 7, 6),
        ("CjNQtmctxFMAAAAAAGZ1Vw", 7, 7),
        ("veo3:1756693796-YQVHH4A3Lg", 16, 16),
        ("é", 3, 1),
    ];
}
