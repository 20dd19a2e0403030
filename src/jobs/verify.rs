//! `verify`: check that every file in the manifests is present and intact.
//!
//! It works offline and changes nothing. With a filter only the selected tasks and files are checked, and unknown files are not
//! reported. Tasks are read in batches, so that an archive of any size fits into memory; files
//! are hashed on all cores. What seems broken is checked again under its task's lock before it is reported. Findings are
//! sorted by path. What can't be read is a finding, and the verification continues.
//!
//! An archive in a bucket has a check of its own ([`bucket`]), with the same findings.

#[cfg(feature = "bucket")]
mod bucket;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::report_missing_ids;
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Counter, Emitter, Event, Fault, FileProgress, Transfer, VerifySummary};
use crate::domain::selection::TaskFilter;
use crate::layout::MANIFEST;
use crate::storage::{self, ArchiveScan, ExpectedFile, LARGE_FILE, Location, ScanUnit, group_by_path};
use crate::threads;

/// Tasks that are read in one batch.
const BATCH: usize = 2048;

/// Why an archive can't be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// There is no archive of ours, or its folder can't be listed.
    #[error("{}", .0.message())]
    Archive(#[from] storage::Error),
    /// The system allows no more threads.
    #[error("not enough threads: {0}; raise the limit of processes and threads (`ulimit -u`), or end other programs")]
    Threads(#[source] io::Error),
}

/// The result of a verification.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyOutcome {
    /// The counts.
    pub summary: VerifySummary,
    /// Everything that is wrong, sorted by path.
    pub findings: Vec<Finding>,
    /// The folder that was verified, as it was given, or its URL.
    pub root: PathBuf,
    /// Whether that is the folder of one task.
    pub is_single_task: bool,
    /// The ids that the filter asks for and the archive does not have.
    pub missing_ids: Vec<String>,
}

/// Something that is wrong.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Relative to the verified folder.
    pub path: String,
    /// What is wrong.
    pub fault: Fault,
    /// Its task, when a manifest names the path.
    pub task_id: Option<String>,
    /// What the path is for the task, when a manifest names it.
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

/// Checks every file that the manifests name, in the archive or the folder of one task at `root` (a path, or the URL of a
/// bucket): by SHA-256, or when `quick` by size alone, and in a bucket by the recorded hash too. Each finding is an event as
/// well; the last event is [`Event::Verified`]. Blocks, and works on all cores.
///
/// # Errors
/// When there is no archive of ours, it can't be listed, or no thread can be started. A file that can't be read is a finding.
pub fn verify(root: impl AsRef<Path>, quick: bool, events: &Emitter) -> Result<VerifyOutcome, VerifyError> {
    verify_selected(root, quick, &TaskFilter::default(), events)
}

/// As [`verify()`], for the tasks and files that `filter` selects. Unknown files are not reported. Each id that the filter asks for
/// and the archive does not have is an [`Event::Error`].
///
/// # Errors
/// As for [`verify()`].
pub fn verify_selected(
    root: impl AsRef<Path>,
    quick: bool,
    filter: &TaskFilter,
    events: &Emitter,
) -> Result<VerifyOutcome, VerifyError> {
    let (started, root) = (Instant::now(), root.as_ref());
    let Verified { state, is_single_task, missing_ids } = match Location::parse(root)? {
        Location::Folder(root) => {
            let scan = ArchiveScan::open(&root)?.with_filter(filter);
            let state = check_all(&scan, quick, events).map_err(VerifyError::Threads)?;
            Verified { is_single_task: scan.is_single, missing_ids: scan.missing_ids(&state.found), state }
        }
        #[cfg(feature = "bucket")]
        Location::Bucket(url) => bucket::check_all(&url, quick, filter, events)?,
        #[cfg(not(feature = "bucket"))]
        Location::Bucket(url) => return Err(storage::Error::NoBuckets(url.to_string()).into()),
    };
    let VerifyState { mut findings, counts, .. } = state;
    report_missing_ids(&missing_ids, events);
    findings.sort_by(|one, other| (&one.path, one.fault).cmp(&(&other.path, other.fault)));
    let summary = report(&findings, counts, events).with_elapsed(started.elapsed());
    events.emit(Event::Verified(summary.clone()));
    Ok(VerifyOutcome { summary, findings, root: root.to_owned(), is_single_task, missing_ids })
}

/// What a check of an archive found.
struct Verified {
    state: VerifyState,
    is_single_task: bool,
    missing_ids: Vec<String>,
}

/// Checks all tasks, a batch at a time, and adds the faults of the root folder itself.
fn check_all(scan: &ArchiveScan, quick: bool, events: &Emitter) -> io::Result<VerifyState> {
    let verifier = Verifier { scan, quick, events, state: Mutex::default() };
    events.tasks.discovered.add(scan.folder_count() as u64);
    let mut batch = Vec::with_capacity(BATCH);
    let root_fault = threads::cpu_pool()?.install(|| {
        let root_fault = scan.for_each_unit(|unit| {
            batch.push(unit);
            if batch.len() == BATCH {
                verifier.check_batch(std::mem::take(&mut batch));
            }
        });
        verifier.check_batch(batch);
        root_fault
    });
    let mut state = verifier.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    let root_fault = root_fault.map(|fault| (MANIFEST.to_owned(), fault)).filter(|found| !scan.faults.contains(found));
    let root_faults = scan.faults.iter().cloned().chain(root_fault);
    state.found.extend(scan.faults.iter().map(|(path, _)| path.clone()));
    state.add_faults(root_faults.collect(), None);
    Ok(state)
}

/// Emits the sorted findings and counts their faults. Several entries may name the same file, which is reported once.
fn report(findings: &[Finding], mut counts: VerifySummary, events: &Emitter) -> VerifySummary {
    let mut last = None;
    for finding in findings {
        let current = (&finding.path, finding.fault);
        if last.replace(current) != Some(current) {
            counts.count(finding.fault);
            events.emit(Event::Finding(finding.path.clone(), finding.fault));
        }
    }
    counts
}

/// The result so far.
#[derive(Default)]
struct VerifyState {
    findings: Vec<Finding>,
    /// Files and bytes. The faults are counted later, from the sorted findings.
    counts: VerifySummary,
    /// The ids of the tasks, and the folders of those that can't be read.
    found: HashSet<String>,
}

impl VerifyState {
    /// Adds faults of paths, of the task `task_id` if they are one's.
    fn add_faults(&mut self, faults: Vec<(String, Fault)>, task_id: Option<&String>) {
        let finding = |(path, fault)| Finding { path, fault, task_id: task_id.cloned(), target: None };
        self.findings.extend(faults.into_iter().map(finding));
    }

    /// Adds files that are not as recorded.
    fn add_broken(&mut self, broken: Vec<(ExpectedFile, Fault)>) {
        self.findings.extend(broken.into_iter().map(|(file, fault)| Finding {
            path: file.path,
            fault,
            task_id: Some(file.task_id),
            target: Some(file.key.map_or(FindingTarget::Text, FindingTarget::File)),
        }));
    }
}

/// A task whose files are checked on many threads. It counts as done when the last of them drops it.
struct DoneOnDrop<'a> {
    /// Files that are not checked yet.
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
    scan: &'a ArchiveScan,
    quick: bool,
    events: &'a Emitter,
    state: Mutex<VerifyState>,
}

impl Verifier<'_> {
    /// Reads the manifests of `units` and checks the files that they name, on all cores. The files of a large task are
    /// shared among the cores.
    fn check_batch(&self, units: Vec<ScanUnit>) {
        rayon::scope(|scope| {
            for unit in units {
                scope.spawn(move |scope| {
                    let task_scan = self.scan.scan_task(&unit);
                    let files = group_by_path(task_scan.expected, |file| &file.path);
                    self.update(|state| {
                        state.counts.files += files.len() as u64;
                        state.found.extend(task_scan.found_as);
                        state.add_faults(task_scan.faults, task_scan.task_id.as_ref());
                    });
                    let remaining = AtomicUsize::new(files.len());
                    let task = Arc::new(DoneOnDrop { remaining, suspects: Mutex::default(), done: &self.events.tasks.done });
                    for expected in files {
                        let (task, progress) = (Arc::clone(&task), FileProgress::new(&self.events.files));
                        // A quick verification reads nothing.
                        progress.begin(expected.first().filter(|_| !self.quick).map(|file| file.size), 0);
                        scope.spawn(move |_| self.check_file(&expected, &task, &progress));
                    }
                });
            }
        });
    }

    /// Checks one file against all entries that name it. The thread that checks the last file of a task checks the suspects
    /// of the task again, under its lock.
    fn check_file(&self, expected: &[ExpectedFile], task: &DoneOnDrop<'_>, progress: &FileProgress) {
        let faults = self.check_with_progress(expected, progress);
        let suspects = expected.iter().zip(faults).filter(|(_, fault)| fault.is_some()).map(|(file, _)| file.clone());
        lock(&task.suspects).extend(suspects);
        let size = expected.first().map_or(0, |file| file.size);
        self.update(|state| state.counts.bytes = state.counts.bytes.saturating_add(size));
        if task.remaining.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let broken = self.scan.recheck_locked(std::mem::take(&mut *lock(&task.suspects)), self.quick);
        self.update(|state| state.add_broken(broken));
    }

    /// Checks a file and counts its bytes as they are read. A large file is announced as a transfer.
    fn check_with_progress(&self, expected: &[ExpectedFile], progress: &FileProgress) -> Vec<Option<Fault>> {
        let counter = Counter::default();
        let large = expected.first().filter(|file| !self.quick && file.size >= LARGE_FILE);
        if let Some(file) = large {
            let transfer = Transfer { name: file.path.clone(), total: Some(file.size), counter: counter.clone() };
            self.events.emit(Event::TransferStarted(transfer));
        }
        let faults = self.scan.check(expected, self.quick, |bytes| {
            counter.add(bytes);
            self.events.bytes.add(bytes);
            progress.add(bytes);
        });
        if large.is_some() {
            self.events.emit(Event::TransferEnded(counter));
        }
        faults
    }

    fn update(&self, change: impl FnOnce(&mut VerifyState)) {
        change(&mut lock(&self.state));
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
