//! How many tasks are being committed.
//!
//! A task that is being committed only waits for the disk. So it does not count as one that is queried and downloaded: else the
//! network would stand still during each sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the tasks that are being committed. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct CommitCount(Arc<Shared>);

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    increased: Notify,
}

/// One task that is being committed, until it is dropped.
pub(super) struct Committing(CommitCount);

impl CommitCount {
    /// Counts one more task.
    pub(super) fn begin(&self) -> Committing {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.increased.notify_one();
        Committing(self.clone())
    }

    /// How many tasks there are now.
    pub(super) fn get(&self) -> usize {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Waits until there was one more since the last call.
    pub(super) async fn increased(&self) {
        self.0.increased.notified().await;
    }
}

impl Drop for Committing {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}
