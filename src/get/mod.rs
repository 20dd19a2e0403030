//! The main job: from task ids to a complete archive.
//!
//! Each task goes its way alone, many at once: what is here, ask, lock, plan, fetch, record. The
//! lock is taken when the answer is in, and what is here is read again under it: another process
//! may have been faster. One task's trouble never stops another; only a refused key ends the asking,
//! and then what is known is still finished.

mod course;
mod dry_run;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::event::{Emitter, Event, Summary, TaskReport};
use crate::gateway::Gateway;
use crate::plan::Wanted;
use crate::store::Archive;
use crate::task::TaskId;
use crate::transfer::Downloader;
use course::Course;

/// Tasks on their way at once. More than the downloads at once, so that asking and writing never keep a download waiting.
const TASKS_AT_ONCE: usize = 96;
/// What tasks get to come to a clean end after an interrupt.
const GRACE: Duration = Duration::from_millis(600);

/// One id to archive.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub id: TaskId,
    /// What else stood in its JSON input line.
    pub meta: Option<Map<String, Value>>,
}

/// What the main job needs.
pub struct Job {
    /// Where to.
    pub archive: Archive,
    /// The archive as the user wrote it, for paths that can be opened from the working directory.
    pub shown: PathBuf,
    /// Whom to ask.
    pub gateway: Arc<Gateway>,
    /// How to fetch.
    pub downloader: Downloader,
    /// What `--only` asks for.
    pub wanted: Wanted,
    /// Whether each file gets the date of its task's `finish_time`.
    pub mtime: bool,
    /// Whether to tell the plan and write nothing.
    pub dry_run: bool,
    /// Whether to fetch what is here again.
    pub force: bool,
    /// Where to tell.
    pub emitter: Emitter,
    /// Set once the gateway refuses the key, with its words.
    pub refused: Arc<OnceLock<String>>,
    /// Ends the run early.
    pub stop: CancellationToken,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// The counts.
    pub summary: Summary,
    /// Why it could not go on, when it could not.
    pub broken: Option<String>,
}

/// Archives every task that `requests` brings.
pub async fn run(job: Job, mut requests: Receiver<Request>) -> Ended {
    let started = std::time::Instant::now();
    let job = Arc::new(job);
    let (mut summary, mut changed) = (Summary::default(), Vec::new());
    let mut tasks: JoinSet<(Option<TaskReport>, Option<TaskId>)> = JoinSet::new();
    let mut is_open = true;
    while is_open || !tasks.is_empty() {
        tokio::select! {
            () = job.stop.cancelled(), if is_open => is_open = false,
            request = requests.recv(), if is_open && tasks.len() < TASKS_AT_ONCE => match request {
                Some(request) => {
                    let job = Arc::clone(&job);
                    tasks.spawn(async move { job.task(request).await });
                }
                None => is_open = false,
            },
            Some(ended) = tasks.join_next() => {
                // A task that panicked is lost to the counts, but never takes the run with it.
                let Ok((report, has_changed)) = ended else { continue };
                changed.extend(has_changed);
                if let Some(report) = report {
                    summary.count(&report);
                    job.emitter.emit(Event::Task(Box::new(report)));
                }
            }
            () = overdue(&job.stop), if job.stop.is_cancelled() => tasks.shutdown().await,
        }
    }
    let mut broken = job.refused.get().map(|words| format!("the gateway refuses the API key: {words}"));
    if !job.dry_run {
        let archive = job.archive.clone();
        let updated = tokio::task::spawn_blocking(move || archive.update_root(changed)).await;
        if let Ok(Err(error)) = updated {
            broken.get_or_insert(format!("the archive's manifest could not be written: {}", error.told()));
        }
    }
    let summary = summary.after(started.elapsed());
    job.emitter.emit(Event::Summary(summary.clone()));
    Ended { summary, broken }
}

/// Ends a while after an interrupt: what is still not done by then is left to the next run.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

impl Job {
    /// One task, start to end: its report, unless it was interrupted, and its id when its folder changed.
    async fn task(self: Arc<Self>, request: Request) -> (Option<TaskReport>, Option<TaskId>) {
        let id = request.id.clone();
        let mut course = Course::new(self, request);
        let report = course.run().await;
        (report, course.has_changed().then_some(id))
    }
}
