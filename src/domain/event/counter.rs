//! Counts that move too often to be events: they are added to as things pass, and read by whoever shows a run.
//!
//! Relaxed atomics: a hundred thousand tasks a second wake nobody up, and a count that is read is at most a moment old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something counted as it passes; cheap to clone, and each clone counts the same.
#[derive(Clone, Default, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// It is `now` this much.
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::Relaxed);
    }

    /// How much it is so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether both count the same.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// How many tasks a run has before it and behind it.
#[derive(Clone, Default, Debug)]
pub struct TaskCounters {
    /// Known by now; more may come as long as a list is read.
    pub discovered: Counter,
    /// Come to their end.
    pub done: Counter,
    /// Not finished, to be asked about again.
    pub pending: Counter,
}
