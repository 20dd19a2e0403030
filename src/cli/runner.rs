//! Runs one session, for the main job and for `repair`.
//!
//! Owns the runtime, interrupts and the exit code of a run. The order is fixed: the output thread starts before the run, so
//! that every event is shown, and is joined after it. A panic in one of our threads is reported as an internal error: the run
//! may not have done all of its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;

use super::error::Error;
use super::ui_thread::UiThread;
use super::{runtime, signals};
use crate::domain::event::Summary;
use crate::gateway::AccountError;
use crate::jobs::StopHandle;
use crate::jobs::archive::{FatalError, RunOutcome};
use crate::session;
use crate::ui;

/// The result of a run.
pub(super) struct RunResult {
    /// None if there was nothing that a repair could download.
    outcome: Option<RunOutcome>,
    read: ReadOutcome,
    /// The exit code for the interrupt; 0 without one. Signals are handled until the process ends, so also after the run.
    interrupt_code: Arc<AtomicU8>,
    pub runtime: Runtime,
}

impl RunResult {
    /// The exit code, or the error that makes it 2. If several apply, the order is: interrupt, 2, 1, 3.
    pub(super) fn conclude(self) -> Result<u8, Error> {
        let Self { outcome, read: ReadOutcome { bad_lines, account }, interrupt_code, .. } = self;
        let interrupt_code = interrupt_code.load(Ordering::Relaxed);
        if interrupt_code != 0 {
            return Ok(interrupt_code);
        }
        let (summary, has_faults) = match outcome {
            Some(RunOutcome { summary, fatal_error: Some(error), .. }) => {
                return Err(Error::Run { error, not_asked: summary.not_asked });
            }
            Some(RunOutcome { summary, has_faults, .. }) => (summary, has_faults),
            None => (Summary::default(), false),
        };
        account?;
        match bad_lines {
            1.. => Err(Error::BadLines(bad_lines)),
            0 if summary.unsuccessful() > 0 || has_faults => Ok(1),
            0 if summary.pending > 0 => Ok(3),
            0 => Ok(0),
        }
    }
}

impl RunResult {
    /// Whether the run found that nothing can be written to the archive.
    pub(super) fn is_archive_unwritable(&self) -> bool {
        let fatal_error = self.outcome.as_ref().and_then(|outcome| outcome.fatal_error.as_ref());
        matches!(fatal_error, Some(FatalError::NotWritable(_)))
    }
}

/// How the requests were read.
pub(super) struct ReadOutcome {
    /// Input lines that could not be read.
    pub bad_lines: u64,
    /// Whether the account's list of tasks was read to its end.
    pub account: Result<(), AccountError>,
}

impl Default for ReadOutcome {
    fn default() -> Self {
        Self { bad_lines: 0, account: Ok(()) }
    }
}

/// Completes `run`, shows its events and handles interrupts. `reader` is the thread that reads the requests.
pub(super) fn run_session(
    run: impl Future<Output = Result<Option<RunOutcome>, session::Error>>,
    stop: &StopHandle,
    mut ui_thread: UiThread,
    reader: Option<JoinHandle<ReadOutcome>>,
) -> Result<RunResult, Error> {
    let runtime = runtime::build()?;
    let interrupt_code = Arc::new(AtomicU8::new(0));
    signals::start(stop.token().clone(), Arc::clone(&interrupt_code))?;
    let mut outcome = runtime.block_on(run)?;
    // After a fatal error or an interrupt the reader may block on its input, so it is not joined.
    let is_read = !stop.token().is_cancelled() && outcome.as_ref().is_none_or(|outcome| outcome.fatal_error.is_none());
    let read = match reader {
        Some(reader) if is_read => reader.join().unwrap_or_else(|_| {
            record_panic(&mut outcome);
            ReadOutcome::default()
        }),
        _ => ReadOutcome::default(),
    };
    if runtime.block_on(ui_thread.wait(stop.token())) {
        if ui_thread.join().is_err() {
            record_panic(&mut outcome);
        }
        if stop.token().is_cancelled() {
            // The interrupt decides the exit code, so that no other place reports a fatal error.
            if let Some(error) = outcome.as_ref().and_then(|outcome| outcome.fatal_error.as_ref()) {
                ui::print_error(&error.to_string());
            }
            ui::print_error(
                "interrupted: finished files are kept, and unfinished ones where their host can resume them; run the same command again to continue",
            );
        }
    }
    Ok(RunResult { outcome, read, interrupt_code, runtime })
}

/// Makes a panic of one of our threads the fatal error of the run, unless it has one.
fn record_panic(outcome: &mut Option<RunOutcome>) {
    if let Some(outcome) = outcome {
        outcome.fatal_error.get_or_insert(FatalError::Panicked);
    }
}
