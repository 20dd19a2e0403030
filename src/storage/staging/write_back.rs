//! Syncs a large file in the background while it is still downloaded, so that the last sync is short.
//!
//! Without this, systems with much memory begin to write only when gigabytes are waiting, and a sync then waits for all of
//! them. At most one sync of a file runs at a time, beside the writer. The writer gets the error of a failed sync, because the
//! system reports it only once.

use std::fs::File;
use std::io;
use std::sync::{Arc, OnceLock};

use crate::storage::error::clone_io_error;
use crate::threads;

/// A sync starts after this many new bytes.
const SYNC_THRESHOLD: u64 = 32 << 20;

/// The background sync of one file.
#[derive(Default)]
pub(super) struct WriteBack {
    sync_started_at: u64,
    under_way: Option<Arc<OnceLock<io::Result<()>>>>,
}

impl WriteBack {
    /// Starts a sync in the background when enough of the first `size` bytes, which are written, are new.
    ///
    /// # Errors
    /// When the previous sync failed: then the content of the disk is unknown.
    pub(super) fn start_sync_if_due(&mut self, file: &Arc<File>, size: u64) -> io::Result<()> {
        if size < self.sync_started_at + SYNC_THRESHOLD || self.under_way.as_ref().is_some_and(|done| done.get().is_none()) {
            return Ok(());
        }
        self.finish()?;
        let done = Arc::new(OnceLock::new());
        let (file, result) = (Arc::clone(file), Arc::clone(&done));
        threads::spawn_on_cpu_pool(move || {
            // Only this closure sets it.
            let _ = result.set(file.sync_data());
        });
        (self.sync_started_at, self.under_way) = (size, Some(done));
        Ok(())
    }

    /// Waits for the sync under way. Blocks.
    ///
    /// # Errors
    /// When the sync failed.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self.under_way.take().as_ref().map(|done| done.wait()) {
            Some(Err(error)) => Err(clone_io_error(error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
pub(in crate::storage::staging) mod tests {
    use std::io::Write;

    use super::*;

    /// A finished sync that failed.
    pub(in crate::storage::staging) fn failing() -> WriteBack {
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
            "a second sync starts only after the first has ended"
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
