//! `verify`: is everything that the manifests name there, and whole?
//!
//! Works offline and changes nothing. Tasks are gone through a batch at a time, so that an archive of any size
//! fits in memory, and files are hashed on all cores; what seems broken is looked at again under its task's lock
//! before it is said. Findings come in the order of their paths. What can't be read is a finding, and ends nothing.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::event::{Emitter, Event, Fault, Meter, Transfer, Verified};
use crate::kind::Slot;
use crate::naming::MANIFEST;
use crate::store::{Claim, Place, Survey, by_path};
use crate::threads;

/// Tasks that are gone through in one go.
const BATCH: usize = 2048;
/// A file that takes a while to look through.
const LARGE: u64 = 64 << 20;

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
    pub part: Option<Part>,
}

/// A part of a task on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// A file.
    File(Slot),
    /// The text.
    Text,
}

/// Holds everything that `survey` finds against the disk, by size alone when `quick`; tells what is wrong, and gives it back.
///
/// # Errors
/// When no thread can be started for it.
pub(crate) fn verify(survey: &Survey, quick: bool, emitter: &Emitter) -> io::Result<(Verified, Vec<Finding>)> {
    let started = Instant::now();
    let looking = Looking { survey, quick, emitter, seen: Mutex::default() };
    emitter.tasks.known.add(survey.folders() as u64);
    let mut batch = Vec::with_capacity(BATCH);
    let root_fault = threads::compute()?.install(|| {
        let root_fault = survey.places(|place| {
            batch.push(place);
            if batch.len() == BATCH {
                looking.visit(std::mem::take(&mut batch));
            }
        });
        looking.visit(batch);
        root_fault
    });
    let Seen { mut findings, mut counts } = looking.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let root_fault = root_fault.map(|fault| (MANIFEST.to_owned(), fault)).filter(|found| !survey.faults.contains(found));
    let at_sight = survey.faults.iter().cloned().chain(root_fault);
    findings.extend(at_sight.map(|(path, fault)| Finding { path, fault, task_id: None, part: None }));
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
    Ok((counts.after(started.elapsed()), findings))
}

/// What has been seen so far.
#[derive(Default)]
struct Seen {
    findings: Vec<Finding>,
    /// Files and bytes; the faults are counted from the findings.
    counts: Verified,
}

/// A task on its way, whose files are checked on many threads.
struct Passing<'a> {
    /// Files that are still to be checked.
    left: AtomicUsize,
    /// What seems broken so far.
    suspects: Mutex<Vec<Claim>>,
    done: &'a Meter,
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.done.add(1);
    }
}

struct Looking<'a> {
    survey: &'a Survey,
    quick: bool,
    emitter: &'a Emitter,
    seen: Mutex<Seen>,
}

impl Looking<'_> {
    /// Visits places and checks what is claimed there, on all cores; a large task's files are shared among them.
    fn visit(&self, places: Vec<Place>) {
        rayon::scope(|all| {
            for place in places {
                all.spawn(move |all| {
                    let visit = self.survey.visit(&place);
                    let files = by_path(visit.claims, |claim| &claim.path);
                    self.note(|seen| {
                        seen.counts.files += files.len() as u64;
                        seen.findings.extend(visit.faults.into_iter().map(|(path, fault)| Finding {
                            path,
                            fault,
                            task_id: visit.task_id.clone(),
                            part: None,
                        }));
                    });
                    let left = AtomicUsize::new(files.len());
                    let task = Arc::new(Passing { left, suspects: Mutex::default(), done: &self.emitter.tasks.done });
                    for claims in files {
                        let task = Arc::clone(&task);
                        all.spawn(move |_| self.check(&claims, &task));
                    }
                });
            }
        });
    }

    /// Checks the claims on one file; whoever is the last of a task checks again what seems broken of it.
    fn check(&self, claims: &[Claim], task: &Passing<'_>) {
        let faults = self.check_in_sight(claims);
        let suspects = claims.iter().zip(faults).filter(|(_, fault)| fault.is_some()).map(|(claim, _)| claim.clone());
        lock(&task.suspects).extend(suspects);
        let size = claims.first().map_or(0, |claim| claim.size);
        self.note(|seen| seen.counts.bytes = seen.counts.bytes.saturating_add(size));
        if task.left.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let broken = self.survey.check_again(std::mem::take(&mut *lock(&task.suspects)), self.quick);
        self.note(|seen| {
            seen.findings.extend(broken.into_iter().map(|(claim, fault)| Finding {
                path: claim.path,
                fault,
                task_id: Some(claim.task_id),
                part: Some(claim.slot.map_or(Part::Text, Part::File)),
            }));
        });
    }

    /// Checks with the bytes counted as they are read; a large file is worth a bar.
    fn check_in_sight(&self, claims: &[Claim]) -> Vec<Option<Fault>> {
        let meter = Meter::default();
        let large = claims.first().filter(|claim| !self.quick && claim.size >= LARGE);
        if let Some(claim) = large {
            let shown = Transfer { name: claim.path.clone(), total: Some(claim.size), meter: meter.clone() };
            self.emitter.emit(Event::Started(shown));
        }
        let checked = self.survey.check(claims, self.quick, |bytes| {
            meter.add(bytes);
            self.emitter.total.add(bytes);
        });
        if large.is_some() {
            self.emitter.emit(Event::Ended(meter));
        }
        checked
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut lock(&self.seen));
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
