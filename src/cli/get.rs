//! The main job, from settings to exit code; and what it shares with `repair`, a run of its.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Sender;

use super::error::Error;
use super::settings::Settings;
use super::{gallery, signals};
use crate::event::{Emitter, Event};
use crate::get::{self, Ended, Job, Request};
use crate::session::{Session, WAITING};
use crate::ui::{self, Style};

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let runtime = runtime()?;
    let (events, heard) = mpsc::channel();
    let emitter = emitter(events);
    let Settings { input, output, gallery, options, style } = settings;
    let is_dry = options.dry_run;
    let session = Session::open(&output, options)?;
    // Refused before anything is asked.
    let page = gallery.then(|| gallery::place(&output)).transpose()?.filter(|_| !is_dry);
    let job = runtime.block_on(session.job(emitter.clone()))?;
    let refused = Arc::clone(&job.refused);
    let (ended, code) = finish(&runtime, job, heard, style, move |sender| input.send(sender, &emitter, &refused));
    // Who interrupts wants an end at once; the next run writes the page.
    if let Some(page) = page.filter(|_| code.is_none_or(|code| code == super::COULD_NOT)) {
        gallery::write(&page, &output, false)?;
    }
    Ok(code.unwrap_or_else(|| self::code(&ended)))
}

/// With few threads for blocking work, which is short: many small hops keep few threads awake, and wake many.
pub(super) fn runtime() -> Result<Runtime, Error> {
    let writers = thread::available_parallelism().map_or(1, usize::from) + 2;
    Builder::new_multi_thread().enable_all().max_blocking_threads(writers).build().map_err(Error::Runtime)
}

/// Tells whoever holds the other end of `events`; one that has gone away has its reasons.
pub(super) fn emitter(events: mpsc::Sender<Event>) -> Emitter {
    Emitter::new(move |event| drop(events.send(event)))
}

/// Runs `job` on the requests that `send` brings, with its events shown and interrupts heeded. `send` returns how many
/// of its lines could not be read. The exit code is given where the run itself could not go on or was interrupted.
pub(super) fn finish(
    runtime: &Runtime,
    job: Job,
    told: Receiver<Event>,
    style: Style,
    send: impl FnOnce(&Sender<Request>) -> u64 + Send + 'static,
) -> (Ended, Option<u8>) {
    let (total, tasks) = (job.emitter.total.clone(), job.emitter.tasks.clone());
    let interrupt = Arc::new(AtomicU8::new(0));
    let heeding = runtime.spawn(signals::heed(job.stop.clone(), Arc::clone(&interrupt)));
    let interface = thread::spawn(move || ui::show(&told, total, tasks, style));
    let (sender, requests) = tokio::sync::mpsc::channel(WAITING);
    let reader = thread::spawn(move || send(&sender));
    let ended = runtime.block_on(get::run(job, requests));
    let interrupted = interrupt.load(Ordering::Relaxed);
    heeding.abort();
    // Otherwise the list's reader may hang in a read that nobody waits for any more.
    let is_read = ended.broken.is_none() && interrupted == 0;
    let bad_lines = if is_read { reader.join().unwrap_or(0) } else { 0 };
    // The summary was its last word.
    let _ = interface.join();
    ended.broken.iter().for_each(|error| ui::complain(error));
    if interrupted > 0 {
        ui::complain("interrupted; what was finished is kept, and the next run goes on from here");
        return (ended, Some(interrupted));
    }
    let could_not = ended.broken.is_some() || bad_lines > 0;
    (ended, could_not.then_some(super::COULD_NOT))
}

/// The exit code of a run that came to its end.
pub(super) fn code(ended: &Ended) -> u8 {
    match () {
        () if ended.summary.bad() > 0 => 1,
        () if ended.summary.pending > 0 => 3,
        () => 0,
    }
}
