//! The main job, from settings to exit code; and how any run is carried out, a repair's too.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::Sender;

use super::error::Error;
use super::settings::Settings;
use super::{gallery, signals};
use crate::event::{Emitter, Event};
use crate::get::{self, Ended, Request};
use crate::session::{Session, WAITING};
use crate::ui::{self, Style};

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let Settings { input, output, gallery, options, style } = settings;
    let is_dry = options.dry_run;
    let session = Session::open(&output, options)?;
    // Refused before anything is asked.
    let page = gallery.then(|| gallery::place(&output)).transpose()?.filter(|_| !is_dry);
    let over = carry_out(session, style, |sender, emitter, refused| input.send(sender, emitter, refused))?;
    // Who interrupts wants an end at once; the next run writes the page.
    if let Some(page) = page.filter(|_| over.interrupted.is_none()) {
        gallery::write(&page, &output)?;
    }
    Ok(over.code())
}

/// How a run came to its end.
pub(super) struct Over {
    ended: Ended,
    bad_lines: u64,
    /// The exit code that stands for who interrupted it.
    interrupted: Option<u8>,
}

impl Over {
    /// The exit code; where several fit, the one that matters most.
    pub(super) fn code(&self) -> u8 {
        let Ended { summary, broken } = &self.ended;
        match self.interrupted {
            Some(code) => code,
            None if broken.is_some() || self.bad_lines > 0 => super::COULD_NOT,
            None if summary.bad() > 0 => 1,
            None if summary.pending > 0 => 3,
            None => 0,
        }
    }
}

/// Carries a run out on the requests that `send` brings, with its events shown and interrupts heeded. `send` is told once the
/// key is refused, and returns how many of its lines could not be read.
pub(super) fn carry_out(
    session: Session,
    style: Style,
    send: impl FnOnce(&Sender<Request>, &Emitter, &OnceLock<String>) -> u64 + Send + 'static,
) -> Result<Over, Error> {
    let runtime = runtime()?;
    let (events, heard) = mpsc::channel();
    // Whoever listens and has gone away has its reasons.
    let emitter = Emitter::new(move |event| drop(events.send(event)));
    let job = runtime.block_on(session.job(emitter.clone()))?;
    let (refused, interrupt) = (Arc::clone(&job.refused), Arc::new(AtomicU8::new(0)));
    let heeding = runtime.spawn(signals::heed(job.stop.clone(), Arc::clone(&interrupt)));
    let interface = show(&emitter, heard, style);
    let (sender, requests) = tokio::sync::mpsc::channel(WAITING);
    let reader = thread::spawn(move || send(&sender, &emitter, &refused));
    let ended = runtime.block_on(get::run(job, requests));
    let interrupted = Some(interrupt.load(Ordering::Relaxed)).filter(|code| *code > 0);
    heeding.abort();
    // Otherwise the list's reader may hang in a read that nobody waits for any more.
    let is_read = ended.broken.is_none() && interrupted.is_none();
    let bad_lines = if is_read { reader.join().unwrap_or(0) } else { 0 };
    // The summary was its last word.
    let _ = interface.join();
    ended.broken.iter().for_each(|error| ui::complain(error));
    if interrupted.is_some() {
        ui::complain("interrupted; what was finished is kept, and the next run goes on from here");
    }
    Ok(Over { ended, bad_lines, interrupted })
}

/// With few threads for blocking work, which is short: many small hops keep few threads awake, and wake many.
fn runtime() -> Result<Runtime, Error> {
    let writers = thread::available_parallelism().map_or(1, usize::from) + 2;
    Builder::new_multi_thread().enable_all().max_blocking_threads(writers).build().map_err(Error::Runtime)
}

/// Shows what `emitter` tells, up to a summary.
pub(super) fn show(emitter: &Emitter, heard: Receiver<Event>, style: Style) -> JoinHandle<()> {
    let (total, tasks) = (emitter.total.clone(), emitter.tasks.clone());
    thread::spawn(move || ui::show(&heard, total, tasks, style))
}
