//! The main job, from settings to exit code; and what it shares with `repair`, a run of its.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::Sender;

use super::error::{Error, told};
use super::settings::Settings;
use super::{gallery, prepare, signals};
use crate::event::{Emitter, Event};
use crate::get::{self, Ended, Job, Request};
use crate::store::Archive;
use crate::ui::{self, Style};

/// Ids that wait to be taken; their source waits when there are more.
const WAITING: usize = 1024;

/// Runs the main job; its exit code.
pub(super) fn run(settings: Settings) -> Result<u8, Error> {
    let runtime = runtime()?;
    let (events, heard) = mpsc::channel();
    let emitter = Emitter::new(events);
    let archive = Archive::open(&settings.output).map_err(told)?;
    let Settings { output, mtime, dry_run, gallery, force, skip_failed, wait, .. } = settings;
    // Refused before anything is asked.
    let page = gallery.then(|| gallery::place(&output)).transpose().map_err(told)?.filter(|_| !dry_run);
    let job = prepare::job(archive, output.clone(), settings.remote, settings.wanted, &runtime, emitter.clone())?;
    let job = Job { mtime, dry_run, force, skip_failed, wait, ..job };
    if !job.dry_run {
        job.archive.create().map_err(told)?;
    }
    let (input, refused) = (settings.input, Arc::clone(&job.refused));
    let (ended, code) = finish(&runtime, job, heard, settings.style, move |sender| input.send(sender, &emitter, &refused));
    // Who interrupts wants an end at once; the next run writes the page.
    if let Some(page) = page.filter(|_| code.is_none_or(|code| code == super::COULD_NOT)) {
        gallery::write(&page, &output, false).map_err(told)?;
    }
    Ok(code.unwrap_or_else(|| self::code(&ended)))
}

pub(super) fn runtime() -> Result<Runtime, Error> {
    Runtime::new().map_err(|error| Error::Setup(format!("the runtime can't start: {error}")))
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
