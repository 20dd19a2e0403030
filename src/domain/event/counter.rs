//! Counters of what changes too often to be an event. A job adds to them; the code that shows the run reads them.
//!
//! They are relaxed atomics: counting wakes no thread, even at a hundred thousand tasks a second. A value that is read is at most
//! a moment old.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter. It is cheap to clone, and all clones share one value.
#[derive(Clone, Default, Debug)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Replaces a part of the value, which several owners share: `old` by `new`.
    pub(super) fn replace_part(&self, old: u64, new: u64) {
        // The addition wraps, so the difference may be negative.
        self.add(new.wrapping_sub(old));
    }

    /// The current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether both share one value.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The bytes of the files of a run, as far as the sizes are known. A file that ends early counts with the bytes that it has.
#[derive(Clone, Default, Debug)]
pub struct ByteCounters {
    /// Of all files so far. More may follow.
    pub known: Counter,
    /// Of these, the bytes that are here: also those that an earlier run had fetched, and none that were discarded.
    pub done: Counter,
}

/// How many tasks a run has found and finished.
#[derive(Clone, Default, Debug)]
pub struct TaskCounters {
    /// Found so far. More may follow while a list is being read.
    pub discovered: Counter,
    /// Ended.
    pub done: Counter,
    /// Not finished at the gateway; the run asks again.
    pub pending: Counter,
}
