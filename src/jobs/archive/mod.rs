//! The main job: from task ids to a complete archive.
//!
//! What is here is looked at first, many tasks in one go: most of a nightly run ends there. Every other
//! task goes its way alone, many at once: ask, lock, plan, fetch, record. The lock is taken when the
//! answer is in, and what is here is read again under it: another process may have been faster. One
//! task's trouble never stops another; only a refused key ends the asking, and then what is known is
//! still finished. With `--wait` an unfinished task leaves the way and comes back to its beginning.

mod dry_run;
mod execute;
mod maintenance;
mod poll_queue;
mod scheduler;
mod task_job;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Emitter, Event, Summary};
use crate::domain::plan::KindFilter;
use crate::domain::task::TaskId;
use crate::gateway::{self, Gateway, Purpose, TaskResponse};
use crate::storage::{self, LockWait, Report, Storage, blocking};
use crate::transfer::Downloader;
use scheduler::Scheduler;

pub use poll_queue::PollPolicy;

/// What tasks get to come to a clean end after an interrupt.
const GRACE_PERIOD: Duration = Duration::from_millis(600);
/// Tasks that are looked at in one go.
const BATCH: usize = 128;
/// How long ids that are already on their way are waited for after the key was refused.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// One id to archive.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub id: TaskId,
    /// Notes of one's own, which its entry records as they are; none leaves what is recorded.
    pub meta: Option<Map<String, Value>>,
    /// What a verification found lost: that is fetched again, and nothing else. None archives all of the task.
    pub repair: Option<RepairScope>,
}

impl Request {
    /// Everything of a task.
    #[must_use]
    pub fn new(id: TaskId) -> Self {
        Self { id, meta: None, repair: None }
    }
}

/// What of a task is damaged or missing on disk.
#[derive(Clone, Debug, Default)]
pub struct RepairScope {
    /// Files.
    pub keys: Vec<AssetKey>,
    /// The text.
    pub text: bool,
}

/// What the main job needs.
pub(crate) struct ArchiveJob {
    /// Where to.
    pub storage: Storage,
    /// The archive as the user wrote it, for paths that can be opened from the working directory.
    pub display_root: PathBuf,
    /// Whom to ask.
    pub gateway: Arc<Gateway>,
    /// How to fetch.
    pub downloader: Downloader,
    /// Tasks on their way at once: more than the downloads at once, so that neither asking nor waiting for the disk keeps
    /// a download waiting. Each keeps up to two files open.
    pub max_concurrent_tasks: usize,
    /// What `--only` asks for.
    pub wanted: KindFilter,
    /// Whether each file gets the date of its task's `finish_time`.
    pub mtime: bool,
    /// Whether to tell the plan and write nothing.
    pub dry_run: bool,
    /// Whether to fetch what is here again.
    pub force: bool,
    /// Whether what the archive records as failed, or as lacking dead links alone, is left alone.
    pub skip_failed: bool,
    /// How unfinished tasks are waited for; none leaves them to another run.
    pub wait: Option<PollPolicy>,
    /// Where to tell.
    pub emitter: Emitter,
    /// Set once the gateway refuses the key, with its words.
    pub key_refusal: Arc<OnceLock<String>>,
    /// Cancelled at the same moment: nobody waits for more ids.
    pub stop_queries: CancellationToken,
    /// Ends the run early.
    pub stop: CancellationToken,
}

impl ArchiveJob {
    /// Asks the gateway; a refused key is heard by all.
    async fn query(&self, id: &TaskId, purpose: Purpose) -> Result<TaskResponse, gateway::Error> {
        let answer = self.gateway.get_task(id, purpose).await;
        if let Err(gateway::Error::KeyRejected(words)) = &answer {
            self.key_refusal.get_or_init(|| words.clone());
            self.stop_queries.cancel();
        }
        answer
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct RunOutcome {
    /// The counts.
    pub summary: Summary,
    /// Why it could not go on, when it could not: the key was refused, or the root manifest not written.
    pub fatal_error: Option<String>,
    /// Whether tasks of the archive, of this run or not, can't be read: each is reported as an event.
    pub has_faults: bool,
}

/// Archives every task that `requests` brings.
pub(crate) async fn run(job: ArchiveJob, mut requests: Receiver<Request>) -> RunOutcome {
    let started = std::time::Instant::now();
    let mut scheduler = Scheduler::new(job);
    let (mut is_open, mut is_cut) = (true, false);
    let overdue = wait_out_grace_period(scheduler.job.stop.clone());
    tokio::pin!(overdue);
    while is_open || !scheduler.is_idle() {
        let has_room = scheduler.has_capacity();
        tokio::select! {
            batch = next_batch(&mut requests, &scheduler.job), if is_open && has_room => match batch.is_empty() {
                true => is_open = false,
                false => scheduler.submit(batch),
            },
            look = scheduler.poll_queue.next(&scheduler.job), if has_room && scheduler.poll_queue.len() > 0 => scheduler.resubmit(look),
            Some(looked) = scheduler.checking.join_next_with_id() => scheduler.on_checked(looked),
            Some(ended) = scheduler.running.join_next_with_id() => scheduler.on_finished(ended),
            () = &mut overdue, if !is_cut => {
                is_cut = true;
                scheduler.abort_all().await;
            }
        }
        scheduler.dispatch_ready();
    }
    // A task that was cut off may have committed something that nobody has heard of.
    let is_all_heard = scheduler.task_ids.is_empty() && !scheduler.has_panicked;
    let (job, tally) = (scheduler.job, scheduler.stats);
    let mut broken = job.key_refusal.get().map(|words| format!("the gateway refuses the API key: {words}"));
    let mut has_faults = false;
    if !job.dry_run {
        let (report, failed) = update_root(&job, tally.changed, tally.reused, is_all_heard).await;
        report.notes().for_each(|message| job.emitter.emit(Event::Warning(message)));
        report.faults().for_each(|message| job.emitter.emit(Event::Warning(message)));
        has_faults = report.has_faults();
        broken = broken.or(failed);
    }
    let summary = tally.summary.with_elapsed(started.elapsed());
    job.emitter.emit(Event::Summary(summary.clone()));
    RunOutcome { summary, fatal_error: broken, has_faults }
}

/// Brings the root manifest up to date; what was found amiss, and why that broke the run, if it did.
async fn update_root(job: &ArchiveJob, changed: Vec<TaskId>, reused: Vec<u128>, is_all_heard: bool) -> (Report, Option<String>) {
    let (storage, emitter) = (job.storage.clone(), job.emitter.clone());
    let wait = LockWait::new(job.stop.clone(), move |message| emitter.emit(Event::Warning(message.to_owned())));
    let error = match blocking(move || storage.update_index(changed, &reused, is_all_heard, &wait)).await {
        // Locked: the run was stopped while another process held the lock. The dirty marker stays: the next run writes the root manifest.
        Err(storage::Error::Locked(_)) => return (Report::default(), None),
        Ok(report) => return (report, None),
        Err(error) => error,
    };
    let message = format!("the archive's manifest could not be written: {}", error.message());
    match job.downloader.disk.handle_error(error.into()) {
        // Not the whole run's fault: it is reported, and the next run writes it.
        error if error.ends_run() => {
            job.emitter.emit(Event::Error(message));
            (Report::default(), None)
        }
        _ => (Report::default(), Some(message)),
    }
}

/// The next requests; none when there are no more, or they are not waited for any more.
async fn next_batch(requests: &mut Receiver<Request>, job: &ArchiveJob) -> Vec<Request> {
    let mut batch = Vec::new();
    let received = requests.recv_many(&mut batch, BATCH);
    if job.key_refusal.get().is_some() {
        // What is known by now is told; a list that is still being written is not waited for.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, received).await;
        return batch;
    }
    tokio::select! {
        biased;
        () = job.stop.cancelled() => {}
        _ = received => {}
        () = job.stop_queries.cancelled() => {}
    }
    batch
}

/// Ends a while after an interrupt: what is still not done by then is left to the next run.
async fn wait_out_grace_period(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE_PERIOD).await;
}
