//! The memory budget of answers: a limit for all answers together.
//!
//! A small answer is free. A medium answer takes its size from a pool. Only one large answer is allowed at a time. An answer of
//! unknown length takes the size of the largest medium answer, and the large permit if it turns out to be longer.
//!
//! No request waits for memory while it holds memory or a connection. An answer that gets no permit at once is dropped, and
//! requested again once there is memory. So no cycle of waiting is possible.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most bytes of a small answer, which needs no permit.
const SMALL: usize = 16 << 10;
/// The most bytes of a medium answer.
pub(super) const MEDIUM: usize = 4 << 20;
/// The most bytes of all medium answers together.
const POOL: usize = 8 << 20;
/// The pool is counted in units of this many bytes.
const UNIT: usize = 1 << 10;

/// The budget of one kind of requests.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    pool: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Memory for one answer. It is kept as long as any part of the answer.
#[derive(Debug, Default)]
pub struct MemoryPermit {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl MemoryPermit {
    /// How many bytes are permitted.
    #[must_use]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.max(SMALL)
    }
}

impl MemoryBudget {
    pub(super) fn new() -> Self {
        Self { pool: Arc::new(Semaphore::new(POOL / UNIT)), large: Arc::new(Semaphore::new(1)) }
    }

    /// Makes sure that `memory` permits `bytes`, if that is possible without waiting.
    pub(super) fn try_grow(&self, memory: &mut MemoryPermit, bytes: usize) -> bool {
        if bytes > memory.capacity() {
            let (semaphore, units, bytes) = self.semaphore_for(bytes);
            let Ok(permit) = Arc::clone(semaphore).try_acquire_many_owned(units) else { return false };
            *memory = MemoryPermit { permit: Some(permit), bytes };
        }
        true
    }

    /// Waits for memory for `bytes`.
    pub(super) async fn acquire(&self, bytes: usize) -> MemoryPermit {
        if bytes <= SMALL {
            return MemoryPermit::default();
        }
        let (semaphore, units, bytes) = self.semaphore_for(bytes);
        // The semaphore is never closed, so there is always a permit.
        MemoryPermit { permit: Arc::clone(semaphore).acquire_many_owned(units).await.ok(), bytes }
    }

    /// Returns the memory that `bytes` do not need.
    pub(super) fn shrink(&self, memory: &mut MemoryPermit, bytes: usize) {
        let is_from_pool = (1..=MEDIUM).contains(&memory.bytes);
        if bytes <= SMALL {
            *memory = MemoryPermit::default();
        } else if let Some(permit) = memory.permit.as_mut().filter(|_| is_from_pool) {
            drop(permit.split(permit.num_permits().saturating_sub(bytes.div_ceil(UNIT))));
            memory.bytes = bytes.min(memory.bytes);
        } else if bytes <= MEDIUM {
            let mut smaller = MemoryPermit::default();
            if self.try_grow(&mut smaller, bytes) {
                *memory = smaller;
            }
        }
    }

    /// The semaphore for `bytes`, how many units to take from it, and how many bytes they permit.
    fn semaphore_for(&self, bytes: usize) -> (&Arc<Semaphore>, u32, usize) {
        match u32::try_from(bytes.div_ceil(UNIT)) {
            Ok(units) if bytes <= MEDIUM => (&self.pool, units, bytes),
            _ => (&self.large, 1, usize::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_responses_are_free_medium_ones_share_large_ones_run_alone() {
        let (budget, mut permits) = (MemoryBudget::new(), Vec::new());
        let mut try_acquire = |bytes: usize| {
            let mut permit = MemoryPermit::default();
            let is_granted = budget.try_grow(&mut permit, bytes);
            permits.push(permit);
            is_granted
        };
        assert!(try_acquire(MEDIUM) && try_acquire(MEDIUM) && !try_acquire(SMALL + 1));
        assert!(try_acquire(MEDIUM + 1) && !try_acquire(MEDIUM + 1));
        assert!((0..10_000).all(|_| try_acquire(SMALL)));
        permits.remove(0);
        assert!(budget.try_grow(&mut permits[1], MEDIUM));
    }

    #[test]
    fn unused_memory_permits_are_returned() {
        let budget = MemoryBudget::new();
        let mut permits = [MemoryPermit::default(), MemoryPermit::default(), MemoryPermit::default()];
        assert!(budget.try_grow(&mut permits[0], MEDIUM) && budget.try_grow(&mut permits[1], MEDIUM));
        budget.shrink(&mut permits[0], SMALL);
        budget.shrink(&mut permits[1], MEDIUM / 2);
        assert!(budget.try_grow(&mut permits[2], MEDIUM));
        assert_eq!(budget.pool.available_permits(), MEDIUM / 2 / UNIT);
        let mut large = MemoryPermit::default();
        assert!(budget.try_grow(&mut large, usize::MAX));
        budget.shrink(&mut large, MEDIUM);
        assert_eq!(large.capacity(), usize::MAX, "the pool has too little: the large permit stays");
        drop(permits);
        budget.shrink(&mut large, MEDIUM);
        assert_eq!((large.capacity(), budget.large.available_permits()), (MEDIUM, 1));
    }

    #[tokio::test]
    async fn waiting_permit_is_granted_on_release() {
        let budget = Arc::new(MemoryBudget::new());
        let large = budget.acquire(MEDIUM + 1).await;
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.acquire(64 << 20).await }
        });
        drop(large);
        assert!(waiting.await.unwrap().capacity() >= 64 << 20);
    }
}
