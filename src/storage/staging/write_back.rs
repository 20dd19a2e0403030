//! A large file goes to the disk while it is still coming, so that the last sync is short.
//!
//! Left alone, systems with much memory begin to write only when there are gigabytes to write, and whoever waits
//! for the sync waits for all of them. One sync of a file at a time is under way, beside its writer; that it failed is
//! heard by the writer, for the system tells it only once.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use crate::storage::error::clone_io_error;
use crate::threads;

/// Bytes that are worth a sync.
const SYNC_THRESHOLD: u64 = 32 << 20;

/// What of one file is on its way to the disk.
#[derive(Default)]
pub(in crate::storage) struct WriteBack {
    sync_started_at: u64,
    under_way: Option<Arc<OnceLock<io::Result<()>>>>,
}

impl WriteBack {
    /// The file's first `size` bytes are written: sends them on their way when that is worth it.
    ///
    /// # Errors
    /// When what was sent before failed: nobody knows what is on the disk then.
    pub(in crate::storage) fn start_sync_if_due(&mut self, file: &Arc<File>, size: u64) -> io::Result<()> {
        if size < self.sync_started_at + SYNC_THRESHOLD || self.under_way.as_ref().is_some_and(|done| done.get().is_none()) {
            return Ok(());
        }
        self.finish()?;
        let done = Arc::new(OnceLock::new());
        let (file, telling) = (Arc::clone(file), Arc::clone(&done));
        threads::spawn_on_cpu_pool(move || {
            // Set by nobody else.
            let _ = telling.set(file.sync_data());
        });
        (self.sync_started_at, self.under_way) = (size, Some(done));
        Ok(())
    }

    /// Waits for what is under way. Blocks.
    ///
    /// # Errors
    /// When it failed.
    pub(in crate::storage) fn finish(&mut self) -> io::Result<()> {
        match self.under_way.take().as_ref().map(|done| done.wait()) {
            Some(Err(error)) => Err(clone_io_error(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(in crate::storage) mod tests {
    use std::io::Write;

    use super::*;

    /// A sync that is under way and fails.
    pub(in crate::storage) fn failing() -> WriteBack {
        let done = OnceLock::from(Err(io::Error::other("broken")));
        WriteBack { sync_started_at: 0, under_way: Some(Arc::new(done)) }
    }

    #[test]
    fn write_back_starts_at_a_threshold_with_one_sync_at_a_time() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"x").unwrap();
        let (file, mut write_back) = (Arc::new(file), WriteBack::default());
        write_back.start_sync_if_due(&file, SYNC_THRESHOLD - 1).unwrap();
        assert!(write_back.under_way.is_none());
        write_back.finish().unwrap();
        write_back.start_sync_if_due(&file, SYNC_THRESHOLD).unwrap();
        write_back.start_sync_if_due(&file, 2 * SYNC_THRESHOLD).unwrap();
        assert!(
            write_back.sync_started_at == SYNC_THRESHOLD || write_back.sync_started_at == 2 * SYNC_THRESHOLD,
            "a second one begins when the first has ended"
        );
        write_back.finish().unwrap();
        assert!(write_back.under_way.is_none());
    }

    #[test]
    fn failed_sync_is_reported() {
        assert!(failing().start_sync_if_due(&Arc::new(tempfile::tempfile().unwrap()), SYNC_THRESHOLD).is_err());
        assert!(failing().finish().is_err());
    }
}
