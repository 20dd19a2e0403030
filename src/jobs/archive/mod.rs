//! The main job: from task ids to a complete archive.
//!
//! The run first checks what the archive already has, many tasks in one batch: in a nightly run most tasks need nothing else.
//! Every other task runs on its own, many at once: query, lock, plan, download, commit. The lock is taken when the answer has
//! arrived, and the task's folder is read again under it, because another process may have been faster.
//!
//! A problem of one task never stops another. Only what concerns all of them ends the queries (see `query_stop`); queries
//! that were sent and downloads whose links are known are then still finished, and the other tasks are reported as not asked.
//! With `--wait`, an unfinished task leaves its slot and is queried again later, and so does a task that gets no answer because the
//! gateway is out of order.

mod access;
mod check;
mod commit_count;
mod dry_run;
mod execute;
mod held_reports;
mod late_link;
mod late_meta;
mod maintenance;
mod outage;
mod outcome;
mod parked;
mod poll_queue;
mod query;
mod query_stop;
mod scheduler;
mod task_end;
mod task_job;
mod task_links;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use tokio::sync::OnceCell;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{emit_report, lock_wait};
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Emitter, Event, RunKind};
use crate::domain::plan::KindFilter;
use crate::domain::task::TaskId;
use crate::gateway::Gateway;
use crate::storage::{self, Storage};
use crate::transfer::{self, Downloader};
pub(crate) use commit_count::CommitCount;
use scheduler::{RunStats, Scheduler};

pub(crate) use late_meta::{LateMeta, SeenIds};
pub(crate) use outage::GatewayHealth;
pub use outcome::{FatalError, RunOutcome};
pub use poll_queue::PollPolicy;
pub(crate) use query_stop::QueryStop;

/// How long tasks may take to end after an interrupt.
const GRACE_PERIOD: Duration = Duration::from_millis(600);
/// Tasks that are checked in one batch.
const BATCH: usize = 128;
/// After the run has stopped asking, how long to wait for requests that were sent already.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(100);

/// One task to archive.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub id: TaskId,
    /// The caller's own fields, which the manifest records unchanged. None leaves the recorded ones.
    pub meta: Option<Map<String, Value>>,
    /// Fields for `meta` where it does not have them.
    pub meta_defaults: Map<String, Value>,
    /// What to fetch again, and nothing else. None archives the whole task.
    pub repair: Option<RepairScope>,
}

impl Request {
    /// A request for everything of a task.
    #[must_use]
    pub fn new(id: TaskId) -> Self {
        Self { id, meta: None, meta_defaults: Map::new(), repair: None }
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

/// Everything that a run needs besides its requests.
pub(crate) struct ArchiveJob {
    /// The kind of the run, for its summary.
    pub kind: RunKind,
    /// The target.
    pub storage: Storage,
    /// The archive's path as the user wrote it, for paths that are shown.
    pub display_root: PathBuf,
    /// The gateway, with the key.
    pub gateway: Arc<Gateway>,
    /// Downloads assets.
    pub downloader: Downloader,
    /// Tasks that are queried and downloaded at once. There are more of them than downloads at once, so that no query keeps a
    /// download waiting.
    pub max_concurrent_tasks: usize,
    /// The same, with those that wait for the disk. Each has up to two files open.
    pub max_open_tasks: usize,
    /// How many tasks wait for the disk.
    pub committing: CommitCount,
    /// What `--only` asks for.
    pub wanted: KindFilter,
    /// Whether each file's time is set to its task's `finish_time`.
    pub mtime: bool,
    /// Whether to report the plan and write nothing.
    pub dry_run: bool,
    /// Whether to fetch again what the archive has.
    pub force: bool,
    /// Whether to skip tasks that the archive records as failed, or as incomplete because of dead links alone.
    pub skip_failed: bool,
    /// How to wait for unfinished tasks. None leaves them to another run.
    pub wait: Option<PollPolicy>,
    /// Whether the gateway answers.
    pub health: GatewayHealth,
    /// Where events go.
    pub emitter: Emitter,
    /// Whether the run has stopped asking, and why.
    pub queries: QueryStop,
    /// Whether the archive can be written to, once that was tried: before the first query.
    pub write_check: OnceCell<bool>,
    /// Whether the account's list is read, too. What it filled in `meta` before then stays, if the request does not have it.
    pub keeps_listed_fields: bool,
    /// Fields for `meta` that are recorded when all tasks have ended.
    pub late_meta: LateMeta,
    /// Whether the requests are read to their end, also when the run has stopped asking.
    pub awaits_requests: bool,
    /// Ends the run early.
    pub stop: CancellationToken,
}

/// Archives every task that `requests` names.
pub(crate) async fn run(job: ArchiveJob, mut requests: Receiver<Request>) -> RunOutcome {
    let started = Instant::now();
    let mut scheduler = Scheduler::new(job);
    let (mut is_open, mut is_aborted) = (true, false);
    let overdue = wait_out_grace_period(scheduler.job.stop.clone());
    tokio::pin!(overdue);
    while is_open || !scheduler.is_idle() {
        let has_room = scheduler.has_capacity();
        let takes_requests = has_room && !scheduler.poll_queue.is_full();
        tokio::select! {
            batch = next_batch(&mut requests, &scheduler.job), if is_open && takes_requests => {
                if batch.is_empty() { is_open = false } else { scheduler.submit(batch) }
            }
            check = scheduler.poll_queue.next(&scheduler.job), if has_room && scheduler.poll_queue.len() > 0 => scheduler.resubmit(check),
            Some(checked) = scheduler.checking.join_next() => scheduler.on_checked(checked),
            Some(finished) = scheduler.running.join_next() => scheduler.on_finished(finished),
            // Another task may begin.
            () = scheduler.job.committing.increased(), if scheduler.has_ready() => {}
            () = &mut overdue, if !is_aborted => {
                is_aborted = true;
                scheduler.abort_all().await;
            }
        }
        scheduler.dispatch_ready();
        scheduler.settle_held(is_open && !requests.is_empty());
    }
    let Scheduler { job, mut stats, has_unreported, .. } = scheduler;
    job.late_meta.record(&job, &mut stats).await;
    finish(&job, stats, has_unreported, started).await
}

/// Updates the root manifest and emits the summary.
async fn finish(job: &ArchiveJob, stats: RunStats, has_unreported: bool, started: Instant) -> RunOutcome {
    let RunStats { summary, changed, reused } = stats;
    let mut fatal_error = job.queries.take_cause();
    let mut has_faults = false;
    if !job.dry_run && !matches!(fatal_error, Some(FatalError::NotWritable(_))) {
        match update_root(job, changed, reused, !has_unreported).await {
            Ok(is_faulty) => has_faults = is_faulty,
            Err(error) => _ = fatal_error.get_or_insert(error),
        }
    }
    let summary = summary.with_elapsed(started.elapsed());
    job.emitter.emit(Event::Summary(summary.clone()));
    RunOutcome { summary, fatal_error, has_faults }
}

/// Updates the root manifest, and reports what is wrong with the archive. Whether something is.
async fn update_root(
    job: &ArchiveJob,
    changed: Vec<TaskId>,
    reused: Vec<u128>,
    is_all_reported: bool,
) -> Result<bool, FatalError> {
    let is_bucket_failing = job.storage.is_bucket() && job.downloader.disk.check().is_err();
    // What is left in the index is worth a short try then.
    let stop = if is_bucket_failing { CancellationToken::new() } else { job.stop.clone() };
    if is_bucket_failing {
        stop.cancel();
    }
    let wait = lock_wait(&stop, &job.emitter);
    let error = match job.storage.update_index(changed, reused, is_all_reported, wait).await {
        Ok(report) => {
            emit_report(&report, &job.emitter, Event::Warning);
            return Ok(report.has_faults());
        }
        // The run was stopped while another process held the lock. The dirty marker stays, so that the next run writes the
        // root manifest.
        Err(storage::Error::Locked(_)) => return Ok(false),
        Err(error) => error,
    };
    if matches!(error, storage::Error::Bucket { .. }) {
        // That the bucket fails was reported before.
        return if is_bucket_failing { Ok(true) } else { Err(FatalError::RootManifest(error)) };
    }
    let message =
        format!("can't write the manifest of the archive: {}; the next run or `yescale-dl index` writes it", error.message());
    if let transfer::Error::Store(error) = job.downloader.disk.handle_error(error.into()) {
        return Err(FatalError::RootManifest(error));
    }
    // The disk is full or failing. No task may have met that, so it is a fault of the run. The next run writes the root manifest.
    job.emitter.emit(Event::Error(message));
    Ok(true)
}

/// The next requests. Empty when there are no more, or when the run does not wait for more.
async fn next_batch(requests: &mut Receiver<Request>, job: &ArchiveJob) -> Vec<Request> {
    let mut batch = Vec::new();
    let received = requests.recv_many(&mut batch, BATCH);
    if job.queries.is_stopped() && !job.awaits_requests {
        // Requests that were sent already are still reported. A list that is still being written is not waited for.
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, received).await;
        return batch;
    }
    tokio::select! {
        biased;
        () = job.stop.cancelled() => {}
        _ = received => {}
        () = job.queries.stopped(), if !job.awaits_requests => {}
    }
    batch
}

/// Ends some time after an interrupt. What is not finished by then is left to the next run.
async fn wait_out_grace_period(stop: CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE_PERIOD).await;
}
