//! The main job, from settings to exit code; and how any run is carried out, a repair's too.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::error::Error;
use super::settings::Settings;
use super::{gallery, signals};
use crate::domain::event::{Emitter, Event};
use crate::jobs::archive::{self, Request, RunOutcome};
use crate::session::{REQUEST_QUEUE_CAPACITY, Session};
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
    let is_dry = options.dry_run;
    let session = Session::open(&output, options)?;
    // Refused before anything is asked.
    let page = gallery.then(|| gallery::open_page(&output)).transpose()?.filter(|_| !is_dry);
    let over = run_session(session, style, |sender, emitter, refused| input.send(sender, emitter, refused))?;
    // A user who interrupts wants an end at once; the next run writes the page.
    if let Some(page) = page.filter(|_| !over.stop.is_cancelled()) {
        let wait = super::lock_wait(over.stop.clone());
        let write = threads::run_blocking(move || gallery::write(&page, &output, &wait));
        match over.runtime.block_on(write).unwrap_or(Err(storage::Error::Panicked)) {
            // An interrupt ended the wait for the lock.
            Ok(_) | Err(storage::Error::Locked(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(over.exit_code())
}

/// How a run came to its end.
pub(super) struct RunResult {
    outcome: RunOutcome,
    bad_lines: u64,
    /// Cancelled by an interrupt, also after the run: signals are heeded as long as the runtime lives.
    stop: CancellationToken,
    /// The exit code that stands for the interrupt; 0 without one.
    interrupt_code: Arc<AtomicU8>,
    runtime: Runtime,
}

impl RunResult {
    /// The exit code; where several fit, the one that matters most.
    pub(super) fn exit_code(&self) -> u8 {
        let RunOutcome { summary, fatal_error: broken, has_faults } = &self.outcome;
        match self.interrupt_code.load(Ordering::Relaxed) {
            code @ 1.. => code,
            _ if broken.is_some() || self.bad_lines > 0 => super::EXIT_FATAL,
            _ if summary.unsuccessful() > 0 || *has_faults => 1,
            _ if summary.pending > 0 => 3,
            _ => 0,
        }
    }
}

/// Carries a run out on the requests that `send` brings, with its events shown and interrupts heeded. `send` is told once the
/// key is refused, and returns how many of its lines could not be read.
pub(super) fn run_session(
    session: Session,
    style: Style,
    send: impl FnOnce(&Sender<Request>, &Emitter, &OnceLock<String>) -> u64 + Send + 'static,
) -> Result<RunResult, Error> {
    let (events, heard) = mpsc::channel();
    // A closed receiver is not an error: nobody listens any more.
    let emitter = Emitter::new(move |event| drop(events.send(event)));
    let (interface, is_shown) = spawn_ui(&emitter, heard, style)?;
    let (start, started) = mpsc::channel::<(Sender<Request>, Arc<OnceLock<String>>)>();
    let reading = emitter.clone();
    let reader =
        threads::spawn_thread("ids", move || started.recv().map_or(0, |(sender, refused)| send(&sender, &reading, &refused)));
    let reader = reader.map_err(Error::Threads)?;
    let runtime = build_runtime()?;
    let job = runtime.block_on(session.prepare(emitter))?;
    let (stop, interrupt) = (job.stop.clone(), Arc::new(AtomicU8::new(0)));
    runtime.spawn(signals::handle_signals(stop.clone(), Arc::clone(&interrupt)));
    let (sender, requests) = tokio::sync::mpsc::channel(REQUEST_QUEUE_CAPACITY);
    // A closed channel means that the reader broke down, which `join` reports.
    let _ = start.send((sender, Arc::clone(&job.key_refusal)));
    let mut ended = runtime.block_on(archive::run(job, requests));
    // Otherwise the list's reader may hang in a read that nobody waits for any more.
    let is_read = ended.fatal_error.is_none() && !stop.is_cancelled();
    let bad_lines = if is_read { reader.join().unwrap_or_else(|_| record_panic(&mut ended)) } else { 0 };
    if !runtime.block_on(wait_until_shown(is_shown, &stop)) {
        return Ok(RunResult { outcome: ended, bad_lines, stop, interrupt_code: interrupt, runtime });
    }
    if interface.join().is_err() {
        record_panic(&mut ended);
    }
    ended.fatal_error.iter().for_each(|error| ui::print_error(error));
    if stop.is_cancelled() {
        ui::print_error("interrupted; what was finished is kept, and the next run goes on from here");
    }
    Ok(RunResult { outcome: ended, bad_lines, stop, interrupt_code: interrupt, runtime })
}

/// A thread of the command line panicked: the run can't be trusted to have done all that was asked for.
fn record_panic(ended: &mut RunOutcome) -> u64 {
    ended.fatal_error.get_or_insert_with(|| "internal error; please report it".to_owned());
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
/// for [`LONGEST_WORD`]; false is then returned.
async fn wait_until_shown(shown: oneshot::Receiver<()>, stop: &CancellationToken) -> bool {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(OUTPUT_DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        _ = shown => true,
        () = too_late => false,
    }
}

/// Shows what `emitter` tells, up to a summary. The receiver hears, or is closed, when all is shown.
pub(super) fn spawn_ui(
    emitter: &Emitter,
    heard: Receiver<Event>,
    style: Style,
) -> Result<(JoinHandle<()>, oneshot::Receiver<()>), Error> {
    let (total, tasks) = (emitter.bytes.clone(), emitter.tasks.clone());
    let (end, ended) = oneshot::channel();
    let work = move || {
        ui::show(&heard, total, tasks, style);
        // Nobody may be waiting any more.
        let _ = end.send(());
    };
    Ok((threads::spawn_thread("interface", work).map_err(Error::Threads)?, ended))
}
