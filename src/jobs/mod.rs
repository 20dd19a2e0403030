//! The jobs of the program: archive tasks, verify, repair, index, list, export, and write the gallery page.
//!
//! A job uses the layers below and has no access to the command line or the terminal. It reports by events and by its
//! return value. A job that blocks is a plain function; one that uses the network is async.

pub(crate) mod archive;
pub(crate) mod export;
#[cfg(feature = "gallery")]
pub(crate) mod gallery;
pub(crate) mod index;
pub(crate) mod list;
pub(crate) mod repair;
pub(crate) mod verify;

use tokio_util::sync::CancellationToken;

use crate::domain::event::{Emitter, Event};
use crate::storage::{LockWait, Report};

/// What `export`, `gallery` and `index` return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct JobOutcome {
    /// Whether the job could use everything that the archive names. The events name what it could not use.
    pub is_complete: bool,
    /// How many tasks what it wrote names.
    pub tasks: u64,
    /// How many files what it wrote names.
    pub files: u64,
    /// Whether it wrote anything. What would not change is left as it is.
    pub is_changed: bool,
}

/// Ends a job early from another thread. A run ends in order: it keeps what is complete, and the next run continues from
/// there. A wait for a lock ends at once. Clones end the same job.
#[derive(Clone, Debug, Default)]
pub struct StopHandle(CancellationToken);

impl StopHandle {
    /// Ends the job. Tasks that a run has not finished are not reported.
    pub fn stop(&self) {
        self.0.cancel();
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.0
    }
}

/// Waits for locks until `stop` is cancelled. A long wait is reported as a warning.
fn lock_wait(stop: &CancellationToken, events: &Emitter) -> LockWait {
    let events = events.clone();
    LockWait::new(stop.clone(), move |message| events.emit(Event::Warning(message.to_owned())))
}

/// Reports each id that was asked for and that no task of the archive has. The list may be long, so only its beginning is named.
fn report_missing_ids(ids: &[String], events: &Emitter) {
    const MAX_NAMED: usize = 50;
    for id in ids.iter().take(MAX_NAMED) {
        events.emit(Event::Error(format!("{id}: the archive has no such task")));
    }
    if ids.len() > MAX_NAMED {
        events.emit(Event::Error(format!("and {} more ids that the archive does not have", ids.len() - MAX_NAMED)));
    }
}

/// Emits the notes of `report` as warnings, and each of its faults as `fault` makes it.
fn emit_report(report: &Report, events: &Emitter, fault: fn(String) -> Event) {
    report.notes().for_each(|message| events.emit(Event::Warning(message)));
    report.faults().for_each(|message| events.emit(fault(message)));
}
