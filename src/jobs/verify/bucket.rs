//! Verifies an archive in a bucket: collects what storage finds.

use super::{Verified, VerifyState};
use crate::domain::event::Emitter;
use crate::domain::selection::TaskFilter;
use crate::storage::{BucketScan, BucketUrl, CheckedTask, Error};

/// Checks all tasks, and adds the faults of the root itself.
pub(super) fn check_all(url: &BucketUrl, quick: bool, filter: &TaskFilter, events: &Emitter) -> Result<Verified, Error> {
    let scan = BucketScan::open(url, filter)?;
    events.tasks.discovered.add(scan.folder_count() as u64);
    let mut state = VerifyState::default();
    scan.check_all(quick, events, |task| {
        let CheckedTask { scan, files, bytes, broken } = task;
        state.counts.files += files;
        state.counts.bytes = state.counts.bytes.saturating_add(bytes);
        state.found.extend(scan.found_as);
        state.add_faults(scan.faults, scan.task_id.as_ref());
        state.add_broken(broken);
    });
    state.found.extend(scan.faults.iter().map(|(path, _)| path.clone()));
    state.add_faults(scan.faults.clone(), None);
    Ok(Verified { is_single_task: scan.is_single(), missing_ids: scan.missing_ids(&state.found), state })
}
