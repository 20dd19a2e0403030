//! What watches the events of the main job besides the output: the command of `--exec`, and the list of `--failed-to`.
//!
//! Both see each event before it is shown, and neither holds up the job. The summary is held back until both have ended, so that
//! it stays the last event. Without observers, the events are passed on as they are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;
use tokio::sync::watch;

use super::error::Error;
use super::exec::{ExecCommand, ExecQueue};
use super::failed_to::FailedList;
use super::request_queue::{Reading, RequestQueue};
use crate::domain::event::{Emitter, Event};
use crate::domain::shard::Shard;
use crate::jobs::StopHandle;
use crate::jobs::archive::{Request, RunOutcome};

/// What the user wants to be done besides the archiving.
#[derive(Debug)]
pub(super) struct ObserverOptions {
    pub exec: Option<ExecCommand>,
    pub failed_to: Option<PathBuf>,
}

/// The observers of one run.
pub(super) struct RunObservers {
    exec: Option<ExecQueue>,
    failed: Option<FailedList>,
    summary: Arc<Mutex<Option<Event>>>,
}

impl RunObservers {
    /// Prepares the observers of a run on the archive `output`.
    ///
    /// # Errors
    /// If the list can't be written.
    pub(super) fn prepare(options: ObserverOptions, output: &Path) -> Result<Self, Error> {
        let failed = options.failed_to.map(|path| FailedList::prepare(path, output)).transpose()?;
        let exec = options.exec.map(|command| ExecQueue::new(command, output));
        Ok(Self { exec, failed, summary: Arc::default() })
    }

    /// The queue that the reader of the ids fills.
    pub(super) fn request_queue(&self, sender: Sender<Request>, shard: Option<Shard>) -> RequestQueue {
        RequestQueue::new(sender, self.failed.as_ref().map(FailedList::request_log), shard)
    }

    /// Starts the observers. Returns the emitter for the session, which passes on to `events`. Called on the runtime.
    pub(super) fn start(&mut self, events: &Emitter, stop: &StopHandle) -> Emitter {
        if self.exec.is_none() && self.failed.is_none() {
            return events.clone();
        }
        let on_task = self.exec.as_mut().map(|exec| exec.start(events, stop));
        let (ended, summary) = (self.failed.as_ref().map(FailedList::request_log), Arc::clone(&self.summary));
        events.filtered(move |event| match event {
            Event::Summary(_) => {
                *summary.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
                None
            }
            Event::Task(report) => {
                if let Some(log) = &ended {
                    log.task_ended(&report);
                }
                if let Some(on_task) = &on_task {
                    on_task(&report);
                }
                Some(Event::Task(report))
            }
            event => Some(event),
        })
    }

    /// Ends the observers after the run, and sends the summary. A command that failed is a fault of the run.
    ///
    /// # Errors
    /// If the list can't be written.
    pub(super) async fn finish(
        self,
        events: &Emitter,
        outcome: &mut RunOutcome,
        reading: watch::Receiver<Reading>,
    ) -> Result<(), Error> {
        let written = match self.failed {
            // Written first: a second signal may end the program while a command runs.
            Some(failed) => failed.write(reading).await,
            None => Ok(()),
        };
        if let Some(exec) = self.exec {
            outcome.has_faults |= !exec.finish().await;
        }
        let summary = self.summary.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(summary) = summary {
            events.emit(summary);
        }
        written
    }
}
