//! Runs one session, for the main job and for `repair`.
//!
//! Owns the runtime, interrupts and the exit code. The order is fixed: the output thread starts before the run, so that every
//! event is shown, and is joined after it. A panic in one of our threads is reported as an internal error: the run may not
//! have done all of its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use tokio::runtime::Runtime;

use super::error::Error;
use super::ui_thread::UiThread;
use super::{runtime, signals};
use crate::jobs::StopHandle;
use crate::jobs::archive::{FatalError, RunOutcome};
use crate::session;
use crate::ui;

/// The result of a run.
pub(super) struct RunResult {
    /// None if there was nothing that a repair could download.
    outcome: Option<RunOutcome>,
    /// Input lines that could not be read.
    bad_lines: u64,
    /// The exit code for the interrupt; 0 without one. Signals are handled as long as the runtime exists, so also after the
    /// run.
    interrupt_code: Arc<AtomicU8>,
    pub runtime: Runtime,
}

impl RunResult {
    /// The exit code. If several apply, the order is: interrupt, 2, 1, 3.
    pub(super) fn exit_code(&self) -> u8 {
        match (self.interrupt_code.load(Ordering::Relaxed), &self.outcome) {
            (code @ 1.., _) => code,
            (_, None) => 1,
            (_, Some(outcome)) if outcome.fatal_error.is_some() || self.bad_lines > 0 => super::EXIT_FATAL,
            (_, Some(outcome)) if outcome.summary.unsuccessful() > 0 || outcome.has_faults => 1,
            (_, Some(outcome)) if outcome.summary.pending > 0 => 3,
            _ => 0,
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

/// Completes `run`, shows its events and handles interrupts. `reader` is the thread that reads the requests. It returns the
/// number of input lines that could not be read.
pub(super) fn run_session(
    run: impl Future<Output = Result<Option<RunOutcome>, session::Error>>,
    stop: &StopHandle,
    mut ui_thread: UiThread,
    reader: Option<JoinHandle<u64>>,
) -> Result<RunResult, Error> {
    let runtime = runtime::build()?;
    let interrupt_code = Arc::new(AtomicU8::new(0));
    runtime.spawn(signals::handle_signals(stop.token().clone(), Arc::clone(&interrupt_code)));
    let mut outcome = runtime.block_on(run)?;
    // After a fatal error or an interrupt the reader may block on its input, so it is not joined.
    let is_read = !stop.token().is_cancelled() && outcome.as_ref().is_none_or(|outcome| outcome.fatal_error.is_none());
    let bad_lines = match reader {
        Some(reader) if is_read => reader.join().unwrap_or_else(|_| record_panic(&mut outcome)),
        _ => 0,
    };
    if runtime.block_on(ui_thread.wait(stop.token())) {
        if ui_thread.join().is_err() {
            record_panic(&mut outcome);
        }
        if let Some(error) = outcome.as_ref().and_then(|outcome| outcome.fatal_error.as_ref()) {
            ui::print_error(&error.to_string());
        }
        if stop.token().is_cancelled() {
            ui::print_error("interrupted: finished files are kept; run the same command again to continue");
        }
    }
    Ok(RunResult { outcome, bad_lines, interrupt_code, runtime })
}

/// Makes a panic of one of our threads the fatal error of the run, unless it has one.
fn record_panic(outcome: &mut Option<RunOutcome>) -> u64 {
    if let Some(outcome) = outcome {
        outcome.fatal_error.get_or_insert(FatalError::Panicked);
    }
    0
}
