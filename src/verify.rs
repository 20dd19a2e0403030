//! `verify`: is everything that the manifests name there, and whole?
//!
//! Works offline and changes nothing. Tasks are gone through a batch at a time, so that an archive of any size
//! fits in memory, and files are hashed on all cores; what seems broken is looked at again under its task's lock
//! before it is said. Findings come in the order of their paths.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::event::{Emitter, Event, Fault, Meter, Transfer, Verified};
use crate::kind::Slot;
use crate::store::{Claim, Place, Survey};
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
/// When the disk can't be read: nothing is said of files that could not be looked at.
pub(crate) fn verify(survey: &Survey, quick: bool, emitter: &Emitter) -> io::Result<(Verified, Vec<Finding>)> {
    let started = Instant::now();
    let looking = Looking { survey, quick, emitter, seen: Mutex::new(Ok(Seen::default())) };
    emitter.tasks.known.add(survey.folders() as u64);
    let mut batch = Vec::with_capacity(BATCH);
    threads::compute()?.install(|| {
        survey.places(|place| {
            batch.push(place);
            if batch.len() == BATCH {
                looking.visit(std::mem::take(&mut batch));
            }
        });
        looking.visit(batch);
    });
    let Seen { mut findings, mut counts } = looking.seen.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let at_sight =
        survey.faults.iter().map(|(path, fault)| Finding { path: path.clone(), fault: *fault, task_id: None, part: None });
    findings.extend(at_sight);
    findings.sort_by(|one, other| (&one.path, one.fault).cmp(&(&other.path, other.fault)));
    for finding in &findings {
        counts.count(finding.fault);
        emitter.emit(Event::Finding(finding.path.clone(), finding.fault));
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

/// A task on its way, counted when it has passed.
struct Passing<'a>(&'a Meter);

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.0.add(1);
    }
}

struct Looking<'a> {
    survey: &'a Survey,
    quick: bool,
    emitter: &'a Emitter,
    seen: Mutex<io::Result<Seen>>,
}

impl Looking<'_> {
    /// Visits places and checks what is claimed there, on all cores; a large task's files are shared among them.
    fn visit(&self, places: Vec<Place>) {
        rayon::scope(|all| {
            for place in places {
                all.spawn(move |all| match self.survey.visit(&place) {
                    Ok(visit) => {
                        self.note(|seen| {
                            seen.counts.files += visit.claims.len() as u64;
                            seen.findings.extend(visit.faults.into_iter().map(|(path, fault)| Finding {
                                path,
                                fault,
                                task_id: visit.task_id.clone(),
                                part: None,
                            }));
                        });
                        // The task is done when the last of them has let go of it.
                        let task = Arc::new(Passing(&self.emitter.tasks.done));
                        visit.claims.into_iter().for_each(|claim| {
                            let task = Arc::clone(&task);
                            all.spawn(move |_| {
                                self.check(&claim);
                                drop(task);
                            });
                        });
                    }
                    Err(error) => self.give_up(io::Error::new(error.kind(), error.told())),
                });
            }
        });
    }

    fn check(&self, claim: &Claim) {
        let checked = match self.check_in_sight(claim) {
            Ok(Some(_)) => self.survey.check_again(claim, self.quick),
            checked => checked,
        };
        match checked {
            Ok(fault) => self.note(|seen| {
                seen.counts.bytes = seen.counts.bytes.saturating_add(claim.size);
                seen.findings.extend(fault.map(|fault| Finding {
                    path: claim.path.clone(),
                    fault,
                    task_id: Some(claim.task_id.clone()),
                    part: Some(claim.slot.map_or(Part::Text, Part::File)),
                }));
            }),
            Err(error) => self.give_up(io::Error::new(error.kind(), format!("can't read {}: {error}", claim.path))),
        }
    }

    /// Checks with the bytes counted as they are read; a large file is worth a bar.
    fn check_in_sight(&self, claim: &Claim) -> io::Result<Option<Fault>> {
        let meter = Meter::default();
        let is_large = !self.quick && claim.size >= LARGE;
        if is_large {
            let shown = Transfer { name: claim.path.clone(), total: Some(claim.size), meter: meter.clone() };
            self.emitter.emit(Event::Started(shown));
        }
        let checked = self.survey.check(claim, self.quick, |bytes| {
            meter.add(bytes);
            self.emitter.total.add(bytes);
        });
        if is_large {
            self.emitter.emit(Event::Ended(meter));
        }
        checked
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        if let Ok(seen) = &mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner) {
            what(seen);
        }
    }

    fn give_up(&self, error: io::Error) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
    }
}
