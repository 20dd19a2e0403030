//! How much memory answers may take, all of them together.
//!
//! A small answer is free. A medium one takes its size from a pool. Large ones go one after the other: each takes the only
//! place for them. An answer whose length is not told takes what medium ones may have, and the large place when it is longer.
//!
//! Nobody waits for room while holding any, or a connection. An answer that gets no room at once is dropped, and asked for
//! again once there is room: so no cycle of waiting can arise.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of an answer that cost nothing.
const SMALL: usize = 16 << 10;
/// The most bytes of an answer that is not large.
pub(super) const MEDIUM: usize = 4 << 20;
/// Bytes of all medium answers together.
const POOL: usize = 8 << 20;
/// The pool is counted in units of so many bytes.
const UNIT: usize = 1 << 10;

/// The budget of one kind of questions.
#[derive(Debug)]
pub(super) struct MemoryBudget {
    pool: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// Room for one answer. It ends with the last of what was read of the answer.
#[derive(Debug, Default)]
pub struct MemoryPermit {
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl MemoryPermit {
    /// How many bytes have room.
    #[must_use]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.max(SMALL)
    }
}

impl MemoryBudget {
    pub(super) fn new() -> Self {
        Self { pool: Arc::new(Semaphore::new(POOL / UNIT)), large: Arc::new(Semaphore::new(1)) }
    }

    /// Makes sure that `room` holds `bytes`, if that is possible without waiting.
    pub(super) fn try_grow(&self, room: &mut MemoryPermit, bytes: usize) -> bool {
        if bytes > room.capacity() {
            let (from, units, bytes) = self.semaphore_for(bytes);
            let Ok(permit) = Arc::clone(from).try_acquire_many_owned(units) else { return false };
            *room = MemoryPermit { permit: Some(permit), bytes };
        }
        true
    }

    /// Room for `bytes`, once there is some.
    pub(super) async fn acquire(&self, bytes: usize) -> MemoryPermit {
        if bytes <= SMALL {
            return MemoryPermit::default();
        }
        let (from, units, bytes) = self.semaphore_for(bytes);
        // Never closed, so it always comes.
        MemoryPermit { permit: Arc::clone(from).acquire_many_owned(units).await.ok(), bytes }
    }

    /// Gives back what `bytes` do not need.
    pub(super) fn shrink(&self, room: &mut MemoryPermit, bytes: usize) {
        let is_of_pool = (1..=MEDIUM).contains(&room.bytes);
        if bytes <= SMALL {
            *room = MemoryPermit::default();
        } else if let Some(permit) = room.permit.as_mut().filter(|_| is_of_pool) {
            drop(permit.split(permit.num_permits().saturating_sub(bytes.div_ceil(UNIT))));
            room.bytes = bytes.min(room.bytes);
        } else if bytes <= MEDIUM {
            let mut smaller = MemoryPermit::default();
            if self.try_grow(&mut smaller, bytes) {
                *room = smaller;
            }
        }
    }

    /// Where room for `bytes` comes from, in how many units, and how much it is.
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
        let (budget, mut rooms) = (MemoryBudget::new(), Vec::new());
        let mut try_room = |bytes: usize| {
            let mut room = MemoryPermit::default();
            let has_room = budget.try_grow(&mut room, bytes);
            rooms.push(room);
            has_room
        };
        assert!(try_room(MEDIUM) && try_room(MEDIUM) && !try_room(SMALL + 1));
        assert!(try_room(MEDIUM + 1) && !try_room(MEDIUM + 1));
        assert!((0..10_000).all(|_| try_room(SMALL)));
        rooms.remove(0);
        assert!(budget.try_grow(&mut rooms[1], MEDIUM));
    }

    #[test]
    fn unused_memory_permits_are_returned() {
        let budget = MemoryBudget::new();
        let mut rooms = [MemoryPermit::default(), MemoryPermit::default(), MemoryPermit::default()];
        assert!(budget.try_grow(&mut rooms[0], MEDIUM) && budget.try_grow(&mut rooms[1], MEDIUM));
        budget.shrink(&mut rooms[0], SMALL);
        budget.shrink(&mut rooms[1], MEDIUM / 2);
        assert!(budget.try_grow(&mut rooms[2], MEDIUM));
        assert_eq!(budget.pool.available_permits(), MEDIUM / 2 / UNIT);
        let mut large = MemoryPermit::default();
        assert!(budget.try_grow(&mut large, usize::MAX));
        budget.shrink(&mut large, MEDIUM);
        assert_eq!(large.capacity(), usize::MAX, "the pool has too little: it stays the large one");
        drop(rooms);
        budget.shrink(&mut large, MEDIUM);
        assert_eq!((large.capacity(), budget.large.available_permits()), (MEDIUM, 1));
    }

    #[tokio::test]
    async fn waiting_permit_is_granted_on_release() {
        let budget = Arc::new(MemoryBudget::new());
        let held = budget.acquire(MEDIUM + 1).await;
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.acquire(64 << 20).await }
        });
        drop(held);
        assert!(waiting.await.unwrap().capacity() >= 64 << 20);
    }
}
