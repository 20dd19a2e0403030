//! `verify`: is everything that the manifests name there, and whole?
//!
//! Works offline and changes nothing. Tasks are gone through a batch at a time, so that an archive of any size
//! fits in memory, and files are hashed on all cores; what seems broken is looked at again under its task's lock
//! before it is said. Findings come in the order of their paths. What can't be read is a finding, and ends nothing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Counter, Emitter, Event, Fault, Transfer, VerifySummary};
use crate::layout::MANIFEST;
use crate::storage::{ArchiveScan, ExpectedFile, ScanUnit, group_by_path};
use crate::threads;

/// Tasks that are gone through in one go.
const BATCH: usize = 2048;
/// A file that takes a while to look through.
const LARGE_FILE: u64 = 64 << 20;

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Relative to the folder that was looked at.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
    /// The task that it is of, when any manifest tells.
    pub task_id: Option<String>,
    /// What of the task it is, when a manifest names it.
    pub target: Option<FindingTarget>,
}

/// A part of a task on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindingTarget {
    /// A file.
    File(AssetKey),
    /// The text.
    Text,
}

/// Holds everything that `survey` finds against the disk, by size alone when `quick`; tells what is wrong, and gives it back.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn verify(survey: &ArchiveScan, quick: bool, emitter: &Emitter) -> io::Result<(VerifySummary, Vec<Finding>)> {
    let started = Instant::now();
    let looking = Verifier { survey, quick, emitter, state: Mutex::default() };
    emitter.tasks.discovered.add(survey.folder_count() as u64);
    let mut batch = Vec::with_capacity(BATCH);
    let root_fault = threads::cpu_pool()?.install(|| {
        let root_fault = survey.for_each_unit(|place| {
            batch.push(place);
            if batch.len() == BATCH {
                looking.scan_batch(std::mem::take(&mut batch));
            }
        });
        looking.scan_batch(batch);
        root_fault
    });
    let VerifyState { mut findings, mut counts } = looking.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let root_fault = root_fault.map(|fault| (MANIFEST.to_owned(), fault)).filter(|found| !survey.faults.contains(found));
    let at_sight = survey.faults.iter().cloned().chain(root_fault);
    findings.extend(at_sight.map(|(path, fault)| Finding { path, fault, task_id: None, target: None }));
    findings.sort_by(|one, other| (&one.path, one.fault).cmp(&(&other.path, other.fault)));
    let mut last = None;
    for finding in &findings {
        // Entries that name the same file are told once.
        let now = (&finding.path, finding.fault);
        if last.replace(now) != Some(now) {
            counts.count(finding.fault);
            emitter.emit(Event::Finding(finding.path.clone(), finding.fault));
        }
    }
    Ok((counts.with_elapsed(started.elapsed()), findings))
}

/// What has been seen so far.
#[derive(Default)]
struct VerifyState {
    findings: Vec<Finding>,
    /// Files and bytes; the faults are counted from the findings.
    counts: VerifySummary,
}

/// A task on its way, whose files are checked on many threads.
struct DoneOnDrop<'a> {
    /// Files that are still to be checked.
    remaining: AtomicUsize,
    /// What seems broken so far.
    suspects: Mutex<Vec<ExpectedFile>>,
    done: &'a Counter,
}

impl Drop for DoneOnDrop<'_> {
    fn drop(&mut self) {
        self.done.add(1);
    }
}

struct Verifier<'a> {
    survey: &'a ArchiveScan,
    quick: bool,
    emitter: &'a Emitter,
    state: Mutex<VerifyState>,
}

impl Verifier<'_> {
    /// Visits places and checks what is claimed there, on all cores; a large task's files are shared among them.
    fn scan_batch(&self, places: Vec<ScanUnit>) {
        rayon::scope(|all| {
            for place in places {
                all.spawn(move |all| {
                    let visit = self.survey.scan_task(&place);
                    let files = group_by_path(visit.expected, |claim| &claim.path);
                    self.update(|seen| {
                        seen.counts.files += files.len() as u64;
                        seen.findings.extend(visit.faults.into_iter().map(|(path, fault)| Finding {
                            path,
                            fault,
                            task_id: visit.task_id.clone(),
                            target: None,
                        }));
                    });
                    let left = AtomicUsize::new(files.len());
                    let task =
                        Arc::new(DoneOnDrop { remaining: left, suspects: Mutex::default(), done: &self.emitter.tasks.done });
                    for claims in files {
                        let task = Arc::clone(&task);
                        all.spawn(move |_| self.check_file(&claims, &task));
                    }
                });
            }
        });
    }

    /// Checks the claims on one file; whoever is the last of a task checks again what seems broken of it.
    fn check_file(&self, claims: &[ExpectedFile], task: &DoneOnDrop<'_>) {
        let faults = self.check_with_progress(claims);
        let suspects = claims.iter().zip(faults).filter(|(_, fault)| fault.is_some()).map(|(claim, _)| claim.clone());
        lock(&task.suspects).extend(suspects);
        let size = claims.first().map_or(0, |claim| claim.size);
        self.update(|seen| seen.counts.bytes = seen.counts.bytes.saturating_add(size));
        if task.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let broken = self.survey.recheck_locked(std::mem::take(&mut *lock(&task.suspects)), self.quick);
        self.update(|seen| {
            seen.findings.extend(broken.into_iter().map(|(claim, fault)| Finding {
                path: claim.path,
                fault,
                task_id: Some(claim.task_id),
                target: Some(claim.key.map_or(FindingTarget::Text, FindingTarget::File)),
            }));
        });
    }

    /// Checks with the bytes counted as they are read; a large file is worth a bar.
    fn check_with_progress(&self, claims: &[ExpectedFile]) -> Vec<Option<Fault>> {
        let meter = Counter::default();
        let large = claims.first().filter(|claim| !self.quick && claim.size >= LARGE_FILE);
        if let Some(claim) = large {
            let shown = Transfer { name: claim.path.clone(), total: Some(claim.size), counter: meter.clone() };
            self.emitter.emit(Event::TransferStarted(shown));
        }
        let checked = self.survey.check(claims, self.quick, |bytes| {
            meter.add(bytes);
            self.emitter.bytes.add(bytes);
        });
        if large.is_some() {
            self.emitter.emit(Event::TransferEnded(meter));
        }
        checked
    }

    fn update(&self, what: impl FnOnce(&mut VerifyState)) {
        what(&mut lock(&self.state));
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
