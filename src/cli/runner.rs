//! Runs one session, for the main job and for `repair`.
//!
//! Owns the threads of a run (requests, output, runtime), interrupts, and the exit code. The order is fixed: the output
//! thread starts first, so that every event is shown; requests are read only once the session is ready. A panic in one of
//! these threads is reported as an internal error: the run may not have done all of its work.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock, mpsc};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::ui_thread::UiThread;
use super::{runtime, signals};
use crate::domain::event::Emitter;
use crate::jobs::archive::{self, Request, RunOutcome};
use crate::session::{self, REQUEST_QUEUE_CAPACITY, Session};
use crate::threads;
use crate::ui::{self, Style, trace};

/// The number of `-v` that shows `tracing` events.
const TRACE_VERBOSITY: u8 = 2;

/// The result of a run.
pub(super) struct RunResult {
    outcome: RunOutcome,
    /// Input lines that could not be read.
    bad_lines: u64,
    /// Cancelled by an interrupt. Signals are handled as long as the runtime exists, so also after the run.
    pub stop: CancellationToken,
    /// The exit code for the interrupt; 0 without one.
    interrupt_code: Arc<AtomicU8>,
    pub runtime: Runtime,
}

impl RunResult {
    /// The exit code. If several apply, the order is: interrupt, 2, 1, 3.
    pub(super) fn exit_code(&self) -> u8 {
        let RunOutcome { summary, fatal_error, has_faults } = &self.outcome;
        match self.interrupt_code.load(Ordering::Relaxed) {
            code @ 1.. => code,
            _ if fatal_error.is_some() || self.bad_lines > 0 => super::EXIT_FATAL,
            _ if summary.unsuccessful() > 0 || *has_faults => 1,
            _ if summary.pending > 0 => 3,
            _ => 0,
        }
    }
}

/// Runs `session` on the requests that `send` sends, shows its events and handles interrupts.
///
/// `send` runs on its own thread. Its last parameter is set once the gateway refuses the key. It returns the number of
/// input lines that could not be read.
pub(super) fn run_session(
    session: Session,
    style: Style,
    send: impl FnOnce(&Sender<Request>, &Emitter, &OnceLock<String>) -> u64 + Send + 'static,
) -> Result<RunResult, Error> {
    let (emitter, mut ui_thread) = UiThread::start(style)?;
    let traced = Arc::new(emitter.clone());
    if style.verbose >= TRACE_VERBOSITY {
        trace::install(vec![trace::detail_sink(&traced)]);
    }
    let (start, started) = mpsc::channel::<(Sender<Request>, Arc<OnceLock<String>>)>();
    let reader_emitter = emitter.clone();
    let read = move || started.recv().map_or(0, |(sender, refusal)| send(&sender, &reader_emitter, &refusal));
    let reader = threads::spawn_thread("ids", read).map_err(session::Error::Threads)?;
    let runtime = runtime::build()?;
    let job = runtime.block_on(session.prepare(emitter))?;
    let (stop, interrupt_code) = (job.stop.clone(), Arc::new(AtomicU8::new(0)));
    runtime.spawn(signals::handle_signals(stop.clone(), Arc::clone(&interrupt_code)));
    let (sender, requests) = tokio::sync::mpsc::channel(REQUEST_QUEUE_CAPACITY);
    // A closed channel means that the reader panicked. `join` reports it.
    let _ = start.send((sender, Arc::clone(&job.key_refusal)));
    let mut outcome = runtime.block_on(archive::run(job, requests));
    drop(traced);
    // After a fatal error or an interrupt the reader may block on its input, so that it is not joined.
    let is_read = outcome.fatal_error.is_none() && !stop.is_cancelled();
    let bad_lines = if is_read { reader.join().unwrap_or_else(|_| record_panic(&mut outcome)) } else { 0 };
    if runtime.block_on(ui_thread.wait(&stop)) {
        if ui_thread.join().is_err() {
            record_panic(&mut outcome);
        }
        outcome.fatal_error.iter().for_each(|error| ui::print_error(error));
        if stop.is_cancelled() {
            ui::print_error("interrupted: finished files are kept; run the same command again to continue");
        }
    }
    Ok(RunResult { outcome, bad_lines, stop, interrupt_code, runtime })
}

/// Makes a panic of one of our threads the fatal error of the run, unless it has one.
fn record_panic(outcome: &mut RunOutcome) -> u64 {
    outcome.fatal_error.get_or_insert_with(|| "internal error; please report it".to_owned());
    0
}
