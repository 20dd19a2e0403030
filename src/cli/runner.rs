//! The main job, from settings to exit code; and how any run is carried out, a repair's too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::stream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::error::Error;
use super::settings::Settings;
use super::signals;
use crate::domain::event::{Emitter, Event};
use crate::jobs::archive::{FatalError, RunOutcome};
use crate::jobs::{StopHandle, gallery};
use crate::session::{self, REQUEST_QUEUE_CAPACITY, Session};
use crate::storage;
use crate::threads;
use crate::ui::{self, Style};

/// Threads that a run starts later on: for syncing, and for looking up names.
const SPARE_THREADS: usize = 4;

/// How long an interrupted run waits for whoever reads its output.
const OUTPUT_DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let Settings { input, output, gallery, options, style } = settings;
    let has_page = gallery && !options.dry_run;
    let session = Session::open(&output, options)?;
    if gallery {
        // Refused before anything is asked.
        gallery::check_target(&output)?;
    }
    let (interface, events) = Interface::start(style)?;
    let (sender, mut receiver) = tokio::sync::mpsc::channel(REQUEST_QUEUE_CAPACITY);
    let (reader_events, queries_ended) = (events.clone(), session.queries_ended());
    let reader = threads::spawn_thread("ids", move || input.send(&sender, &reader_events, &queries_ended));
    let reader = reader.map_err(Error::Threads)?;
    let stop = session.stop_handle();
    let requests = stream::poll_fn(move |context| receiver.poll_recv(context));
    let run = async { session.get(requests, events).await.map(Some) };
    let result = run_session(run, &stop, interface, Some(reader))?;
    // A user who interrupts wants an end at once; the next run writes the page.
    if has_page && !stop.token().is_cancelled() {
        let write = threads::run_blocking(move || gallery::gallery(&output, &stop, &super::print_messages()));
        match result.runtime.block_on(write).unwrap_or(Err(storage::Error::Panicked)) {
            // An interrupt ended the wait for the lock.
            Ok(_) | Err(storage::Error::Locked(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(result.exit_code())
}

/// How a run came to its end.
pub(super) struct RunResult {
    /// None when there was nothing that a repair could fetch.
    outcome: Option<RunOutcome>,
    bad_lines: u64,
    /// The exit code that stands for the interrupt; 0 without one. An interrupt may come after the run, too: signals are
    /// handled as long as the runtime lives.
    interrupt_code: Arc<AtomicU8>,
    runtime: Runtime,
}

impl RunResult {
    /// The exit code; where several fit, the one that matters most.
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

/// The thread that shows the events of a run.
pub(super) struct Interface {
    thread: JoinHandle<()>,
    is_shown: oneshot::Receiver<()>,
}

impl Interface {
    /// Waits until everything is shown.
    pub(super) fn join(self) {
        // A panic has been printed by then, and there is nothing left to show.
        let _ = self.thread.join();
    }

    /// Starts the thread, and makes the emitter of the events that it shows.
    pub(super) fn start(style: Style) -> Result<(Self, Emitter), Error> {
        let (sender, receiver) = mpsc::channel();
        // A closed receiver is not an error: then nobody reads the events.
        let events = Emitter::new(move |event| drop(sender.send(event)));
        let (thread, is_shown) = spawn_ui(&events, receiver, style)?;
        Ok((Self { thread, is_shown }, events))
    }
}

/// Carries out `run` with its events shown and interrupts handled. `reader` is the thread that reads the requests; it returns
/// how many of its lines could not be read.
pub(super) fn run_session(
    run: impl Future<Output = Result<Option<RunOutcome>, session::Error>>,
    stop: &StopHandle,
    interface: Interface,
    reader: Option<JoinHandle<u64>>,
) -> Result<RunResult, Error> {
    let runtime = build_runtime()?;
    let interrupt_code = Arc::new(AtomicU8::new(0));
    runtime.spawn(signals::handle_signals(stop.token().clone(), Arc::clone(&interrupt_code)));
    let mut outcome = runtime.block_on(run)?;
    // Otherwise the reader may hang in a read that nobody waits for any more.
    let is_read = !stop.token().is_cancelled() && outcome.as_ref().is_none_or(|outcome| outcome.fatal_error.is_none());
    let bad_lines = match reader {
        Some(reader) if is_read => reader.join().unwrap_or_else(|_| record_panic(&mut outcome)),
        _ => 0,
    };
    if runtime.block_on(wait_until_shown(interface.is_shown, stop)) {
        if interface.thread.join().is_err() {
            record_panic(&mut outcome);
        }
        if let Some(error) = outcome.as_ref().and_then(|outcome| outcome.fatal_error.as_ref()) {
            ui::print_error(&error.to_string());
        }
        if stop.token().is_cancelled() {
            ui::print_error("interrupted; what was finished is kept, and the next run goes on from here");
        }
    }
    Ok(RunResult { outcome, bad_lines, interrupt_code, runtime })
}

/// A thread of the command line panicked: the run may not have done all that was asked for.
fn record_panic(outcome: &mut Option<RunOutcome>) -> u64 {
    if let Some(outcome) = outcome {
        outcome.fatal_error.get_or_insert(FatalError::Panicked);
    }
    0
}

/// The runtime needs threads of its own; where the system has too few for it, the main thread does its work.
fn build_runtime() -> Result<Runtime, Error> {
    if !has_descriptors() {
        return Err(Error::Descriptors);
    }
    if !threads::has_enough_address_space() {
        return Err(Error::AddressSpace);
    }
    let mut builder = match threads::probe_threads(threads::parallelism() + SPARE_THREADS) {
        true => Builder::new_multi_thread(),
        false => Builder::new_current_thread(),
    };
    builder.worker_threads(threads::parallelism()).enable_all().build().map_err(Error::Runtime)
}

/// Whether a run can open the sockets and files that it always needs: the runtime panics without some of them.
#[cfg(unix)]
fn has_descriptors() -> bool {
    const PAIRS: usize = 12;
    let pairs: Vec<_> = (0..PAIRS).map_while(|_| std::os::unix::net::UnixStream::pair().ok()).collect();
    pairs.len() == PAIRS
}

/// Windows has no such limit.
#[cfg(not(unix))]
fn has_descriptors() -> bool {
    true
}

/// Waits until everything is shown. Whoever reads the output may have stopped reading, so that an interrupted run waits only
/// for [`OUTPUT_DRAIN_TIMEOUT`]; false is then returned.
async fn wait_until_shown(shown: oneshot::Receiver<()>, stop: &StopHandle) -> bool {
    let too_late = async {
        stop.token().cancelled().await;
        tokio::time::sleep(OUTPUT_DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        _ = shown => true,
        () = too_late => false,
    }
}

/// Shows the events of `emitter`, up to a summary. The receiver gets a message, or is closed, when all is shown.
fn spawn_ui(emitter: &Emitter, events: Receiver<Event>, style: Style) -> Result<(JoinHandle<()>, oneshot::Receiver<()>), Error> {
    let (total, tasks) = (emitter.bytes.clone(), emitter.tasks.clone());
    let (sender, is_shown) = oneshot::channel();
    let work = move || {
        ui::show(&events, total, tasks, style);
        // Nobody may be waiting any more.
        let _ = sender.send(());
    };
    Ok((threads::spawn_thread("interface", work).map_err(Error::Threads)?, is_shown))
}
