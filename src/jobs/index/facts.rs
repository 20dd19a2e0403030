//! `index --facts`: adds to the manifests of tasks what this version records and earlier ones did not: the platform, the model,
//! and the facts in the headers of the files.
//!
//! It works offline: the platform and the model come from the answer that the manifest keeps. Each manifest is replaced under
//! the lease of its task, and only where a fact is new. What is recorded stays, `archived_at` too, and no file changes. A file is
//! hashed before a fact about it is recorded, because a damaged file may say anything. A file that is missing or damaged is named
//! and left as it is.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::{JobOutcome, StopHandle, emit_report, index, lock_wait};
use crate::domain::event::{Emitter, Event};
use crate::domain::json::{self, Fields};
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::domain::origin::platform_and_model;
use crate::domain::task::TaskId;
use crate::media::{facts, media_type};
use crate::storage::{ArchiveReader, ArchiveScan, Error, LocalArchive, LocalLease, Location, LockWait};
use crate::threads;

/// What [`index_with_facts`] returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FactsOutcome {
    /// As for [`index()`](super::index). Not complete when a file can't be read, is missing or damaged.
    pub index: JobOutcome,
    /// How many manifests of tasks got facts.
    pub changed_tasks: u64,
}

/// As [`index()`](super::index), and adds facts to the manifests of tasks. Also for the folder of one task.
///
/// # Errors
/// As for [`index()`](super::index), and when no thread can be started.
pub fn index_with_facts(root: impl AsRef<Path>, stop: &StopHandle, events: &Emitter) -> Result<FactsOutcome, Error> {
    let root = &Location::parse(root.as_ref())?.into_folder("`index --facts`")?;
    // First, so that the manifests of all tasks are restored and the root names them.
    let mut outcome = index(root, stop, events)?;
    let is_single = ArchiveScan::is_single_at(root)?;
    let storage = if is_single { LocalArchive::single_task(root) } else { LocalArchive::open(root)? };
    let mut ids = Vec::new();
    // What is wrong with single tasks has been reported.
    ArchiveReader::for_each_task(root, |task, _| ids.extend(TaskId::new(&task.task_id)))?;
    let wait = lock_wait(stop.token(), events);
    let filler = Filler { storage: &storage, wait: &wait, events, changed: Mutex::default(), has_faults: AtomicBool::new(false) };
    let pool = threads::cpu_pool().map_err(|source| Error::Io { action: "start threads for", path: root.to_owned(), source })?;
    pool.install(|| ids.par_iter().take_any_while(|_| !stop.token().is_cancelled()).for_each(|id| filler.fill(id)));

    let changed = filler.changed.into_inner().unwrap_or_else(PoisonError::into_inner);
    let changed_tasks = changed.len() as u64;
    if changed_tasks > 0 {
        let report = storage.update_index(changed, &[], true, &wait)?;
        emit_report(&report, events, Event::Warning);
        outcome.is_complete &= !report.has_faults();
        outcome.is_changed = true;
    }
    outcome.is_complete &= !filler.has_faults.into_inner() && !stop.token().is_cancelled();
    Ok(FactsOutcome { index: outcome, changed_tasks })
}

/// Adds facts to one task after another, on all cores.
struct Filler<'a> {
    storage: &'a LocalArchive,
    wait: &'a LockWait,
    events: &'a Emitter,
    changed: Mutex<Vec<TaskId>>,
    has_faults: AtomicBool,
}

impl Filler<'_> {
    fn fill(&self, id: &TaskId) {
        match self.try_fill(id) {
            Ok(true) => self.changed.lock().unwrap_or_else(PoisonError::into_inner).push(id.clone()),
            Ok(false) => {}
            Err(error) => self.report(&error),
        }
    }

    /// Adds what is known of a task. Whether its manifest changed.
    fn try_fill(&self, id: &TaskId) -> Result<bool, Error> {
        // A lease would make the folder of a task that is gone.
        if self.storage.read(id)?.entry.is_none() {
            return Ok(false);
        }
        let lease = self.storage.lease_when_free(id, self.wait)?;
        let snapshot = lease.read_snapshot()?;
        let is_own = !snapshot.is_from_root();
        let Some(before) = snapshot.entry.filter(|_| is_own) else { return Ok(false) };
        let mut entry = before.clone();
        fill_origin(&mut entry);
        entry.files.iter_mut().for_each(|file| self.fill_file(&lease, file));
        let is_changed = entry != before;
        if is_changed {
            lease.rewrite_manifest(&entry)?;
        }
        Ok(is_changed)
    }

    /// Adds the facts in the headers of a file.
    fn fill_file(&self, lease: &LocalLease, file: &mut FileEntry) {
        let media = match lease.open_media(file) {
            Ok(media) => media,
            Err(error) => return self.report(&error),
        };
        let declared = file.content_type.as_deref().and_then(media_type::parse_content_type);
        let mut filled = file.clone();
        facts::read_headers(media, declared.map(|declared| declared.media_type)).fill(&mut filled);
        if filled == *file {
            return;
        }
        match lease.check_hash(file) {
            Ok(()) => *file = filled,
            Err(error) => self.report(&error),
        }
    }

    fn report(&self, error: &Error) {
        self.has_faults.store(true, Ordering::Relaxed);
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        self.events.emit(Event::Warning(format!("{error}{source}")));
    }
}

/// Adds the platform and the model, from the message that the manifest has, or else from the answer that it keeps.
fn fill_origin(entry: &mut TaskEntry) {
    let kept = || json::map_string(Fields::select(entry.response.as_ref()?.raw(), &["message"]).get("message")?, str::to_owned);
    let message = entry.message.clone().or_else(kept);
    let (platform, model) = platform_and_model(message.as_deref(), entry.meta.as_ref());
    (entry.platform, entry.model) = (entry.platform.take().or(platform), entry.model.take().or(model));
}
