//! The main job: from task ids to a complete archive.
//!
//! What is here is looked at first, many tasks in one go: most of a nightly run ends there. Every other
//! task goes its way alone, many at once: ask, lock, plan, fetch, record. The lock is taken when the
//! answer is in, and what is here is read again under it: another process may have been faster. One
//! task's trouble never stops another; only a refused key ends the asking, and then what is known is
//! still finished. With `--wait` an unfinished task leaves the way and comes back to its beginning.

mod collect;
mod course;
mod dry_run;
mod running;
mod upkeep;
mod wait;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::event::{Emitter, Event, Summary};
use crate::gateway::{self, Answered, Gateway, Purpose};
use crate::kind::Slot;
use crate::plan::Wanted;
use crate::store::{self, Archive, LockWait, Report, blocking};
use crate::task::TaskId;
use crate::transfer::Downloader;
use running::Running;

pub use wait::Wait;

/// What tasks get to come to a clean end after an interrupt.
const GRACE: Duration = Duration::from_millis(600);
/// Tasks that are looked at in one go.
const BATCH: usize = 128;
/// How long ids that are already on their way are waited for after the key was refused.
const GLEANING: Duration = Duration::from_millis(100);

/// One id to archive.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub id: TaskId,
    /// Notes of one's own, which its entry records as they are; none leaves what is recorded.
    pub meta: Option<Map<String, Value>>,
    /// What a verification found lost: that is fetched again, and nothing else. None archives all of the task.
    pub lost: Option<Lost>,
}

impl Request {
    /// Everything of a task.
    #[must_use]
    pub fn of(id: TaskId) -> Self {
        Self { id, meta: None, lost: None }
    }
}

/// What of a task is damaged or missing on disk.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// Files.
    pub slots: Vec<Slot>,
    /// The text.
    pub text: bool,
}

/// What the main job needs.
pub(crate) struct Job {
    /// Where to.
    pub archive: Archive,
    /// The archive as the user wrote it, for paths that can be opened from the working directory.
    pub shown: PathBuf,
    /// Whom to ask.
    pub gateway: Arc<Gateway>,
    /// How to fetch.
    pub downloader: Downloader,
    /// Tasks on their way at once: more than the downloads at once, so that neither asking nor waiting for the disk keeps
    /// a download waiting. Each keeps up to two files open.
    pub tasks_at_once: usize,
    /// What `--only` asks for.
    pub wanted: Wanted,
    /// Whether each file gets the date of its task's `finish_time`.
    pub mtime: bool,
    /// Whether to tell the plan and write nothing.
    pub dry_run: bool,
    /// Whether to fetch what is here again.
    pub force: bool,
    /// Whether what the archive records as failed, or as lacking dead links alone, is left alone.
    pub skip_failed: bool,
    /// How unfinished tasks are waited for; none leaves them to another run.
    pub wait: Option<Wait>,
    /// Where to tell.
    pub emitter: Emitter,
    /// Set once the gateway refuses the key, with its words.
    pub refused: Arc<OnceLock<String>>,
    /// Cancelled at the same moment: nobody waits for more ids.
    pub asking_ended: CancellationToken,
    /// Ends the run early.
    pub stop: CancellationToken,
}

impl Job {
    /// Asks the gateway; a refused key is heard by all.
    async fn ask(&self, id: &TaskId, purpose: Purpose) -> Result<Answered, gateway::Error> {
        let answer = self.gateway.task(id, purpose).await;
        if let Err(gateway::Error::Refused(words)) = &answer {
            self.refused.get_or_init(|| words.clone());
            self.asking_ended.cancel();
        }
        answer
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The counts.
    pub summary: Summary,
    /// Why it could not go on, when it could not: the key was refused, or the root manifest not written.
    pub broken: Option<String>,
    /// Whether tasks of the archive, of this run or not, can't be read: each is reported as an event.
    pub has_faults: bool,
}

/// Archives every task that `requests` brings.
pub(crate) async fn run(job: Job, mut requests: Receiver<Request>) -> Ended {
    let started = std::time::Instant::now();
    let mut running = Running::new(job);
    let (mut is_open, mut is_cut) = (true, false);
    let overdue = overdue(running.job.stop.clone());
    tokio::pin!(overdue);
    while is_open || !running.is_idle() {
        let has_room = running.has_room();
        tokio::select! {
            batch = next(&mut requests, &running.job), if is_open && has_room => match batch.is_empty() {
                true => is_open = false,
                false => running.take(batch),
            },
            look = running.waiting.next(&running.job), if has_room && running.waiting.count() > 0 => running.take_again(look),
            Some(looked) = running.looking.join_next_with_id() => running.looked(looked),
            Some(ended) = running.going.join_next_with_id() => running.end(ended),
            () = &mut overdue, if !is_cut => {
                is_cut = true;
                running.cut_off().await;
            }
        }
        running.send_off();
    }
    // A task that was cut off may have committed something that nobody has heard of.
    let is_all_heard = running.ids.is_empty() && !running.has_broken;
    let (job, tally) = (running.job, running.tally);
    let mut broken = job.refused.get().map(|words| format!("the gateway refuses the API key: {words}"));
    let mut has_faults = false;
    if !job.dry_run {
        let (report, failed) = update_root(&job, tally.changed, tally.reused, is_all_heard).await;
        report.notes().for_each(|message| job.emitter.emit(Event::Warning(message)));
        report.faults().for_each(|message| job.emitter.emit(Event::Warning(message)));
        has_faults = report.has_faults();
        broken = broken.or(failed);
    }
    let summary = tally.summary.after(started.elapsed());
    job.emitter.emit(Event::Summary(summary.clone()));
    Ended { summary, broken, has_faults }
}

/// Brings the root manifest up to date; what was found amiss, and why that broke the run, if it did.
async fn update_root(job: &Job, changed: Vec<TaskId>, reused: Vec<u128>, is_all_heard: bool) -> (Report, Option<String>) {
    let (archive, emitter) = (job.archive.clone(), job.emitter.clone());
    let wait = LockWait::new(job.stop.clone(), move |message| emitter.emit(Event::Warning(message.to_owned())));
    let error = match blocking(move || archive.update_root(changed, &reused, is_all_heard, &wait)).await {
        // Locked: the run was stopped while another process held the lock. The dirty marker stays: the next run writes the root manifest.
        Err(store::Error::Locked(_)) => return (Report::default(), None),
        Ok(report) => return (report, None),
        Err(error) => error,
    };
    let message = format!("the archive's manifest could not be written: {}", error.told());
    match job.downloader.disk.note(error.into()) {
        // Not the whole run's fault: it is reported, and the next run writes it.
        error if error.is_told_for_all() => {
            job.emitter.emit(Event::Error(message));
            (Report::default(), None)
        }
        _ => (Report::default(), Some(message)),
    }
}

/// The next requests; none when there are no more, or they are not waited for any more.
async fn next(requests: &mut Receiver<Request>, job: &Job) -> Vec<Request> {
    let mut batch = Vec::new();
    let received = requests.recv_many(&mut batch, BATCH);
    if job.refused.get().is_some() {
        // What is known by now is told; a list that is still being written is not waited for.
        let _ = tokio::time::timeout(GLEANING, received).await;
        return batch;
    }
    tokio::select! {
        biased;
        () = job.stop.cancelled() => {}
        _ = received => {}
        () = job.asking_ended.cancelled() => {}
    }
    batch
}

/// Ends a while after an interrupt: what is still not done by then is left to the next run.
async fn overdue(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
