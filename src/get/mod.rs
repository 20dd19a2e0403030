//! The main job: from task ids to a complete archive.
//!
//! Each task goes its way alone, many at once: what is here, ask, lock, plan, fetch, record. The
//! lock is taken when the answer is in, and what is here is read again under it: another process
//! may have been faster. One task's trouble never stops another; only a refused key ends the asking,
//! and then what is known is still finished. With `--wait` an unfinished task leaves the way and comes back.

mod collect;
mod course;
mod dry_run;
mod wait;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc::Receiver;
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::event::{Emitter, Event, Outcome, Summary, TaskReport};
use crate::gateway::{self, Gateway};
use crate::kind::Slot;
use crate::plan::Wanted;
use crate::store::Archive;
use crate::task::{Task, TaskId};
use crate::transfer::{self, Downloader};
use course::Course;
use wait::{Look, Waiting};

pub use wait::Wait;

/// Tasks on their way at once. More than the downloads at once, so that asking and writing never keep a download waiting.
const TASKS_AT_ONCE: usize = 96;
/// What tasks get to come to a clean end after an interrupt.
const GRACE: Duration = Duration::from_millis(600);
/// How long ids that are already on their way are waited for after the key was refused.
const GLEANING: Duration = Duration::from_millis(100);

/// One id to archive.
#[derive(Clone, Debug)]
pub struct Request {
    /// The task.
    pub id: TaskId,
    /// What else stood in its JSON input line.
    pub meta: Option<Map<String, Value>>,
    /// What `repair` found lost: that is fetched again, and nothing else.
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
    async fn ask(&self, id: &TaskId) -> Result<Task, gateway::Error> {
        let answer = self.gateway.task(id).await;
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
    /// Why it could not go on, when it could not.
    pub broken: Option<String>,
}

/// Archives every task that `requests` brings.
pub async fn run(job: Job, mut requests: Receiver<Request>) -> Ended {
    let started = std::time::Instant::now();
    let mut running = Running::new(job);
    let mut is_open = true;
    while is_open || !running.tasks.is_empty() || running.waiting.count() > 0 {
        let stop = running.job.stop.clone();
        let has_room = running.tasks.len() < TASKS_AT_ONCE;
        tokio::select! {
            request = next(&mut requests, &running.job), if is_open && has_room => match request {
                Some(request) => running.start(running.waiting.first(request)),
                None => is_open = false,
            },
            look = running.waiting.next(&running.job), if has_room && running.waiting.count() > 0 => running.look_again(look),
            Some(ended) = running.tasks.join_next_with_id() => running.end(ended),
            () = overdue(&stop), if stop.is_cancelled() => running.tasks.shutdown().await,
        }
    }
    // A task that was cut off may have committed something that nobody has heard of.
    let is_all_heard = running.ids.is_empty();
    let (job, tally) = (running.job, running.ended);
    let mut broken = job.refused.get().map(|words| format!("the gateway refuses the API key: {words}"));
    if !job.dry_run {
        let archive = job.archive.clone();
        let updated = tokio::task::spawn_blocking(move || archive.update_root(tally.changed, &tally.reused, is_all_heard)).await;
        if let Ok(Err(error)) = updated {
            let told = format!("the archive's manifest could not be written: {}", error.told());
            match job.downloader.disk.note(error.into()) {
                // Not the whole run's fault: it is told, and the next run writes it.
                transfer::Error::DiskFull => job.emitter.emit(Event::Warning(told)),
                _ => broken = broken.or(Some(told)),
            }
        }
    }
    let summary = tally.summary.after(started.elapsed());
    job.emitter.emit(Event::Summary(summary.clone()));
    Ended { summary, broken }
}

/// The next request; none when there are no more, or they are not waited for any more.
async fn next(requests: &mut Receiver<Request>, job: &Job) -> Option<Request> {
    if job.refused.get().is_some() {
        // What is known by now is told; a list that is still being written is not waited for.
        return tokio::time::timeout(GLEANING, requests.recv()).await.ok().flatten();
    }
    tokio::select! {
        request = requests.recv() => request,
        () = job.stop.cancelled() => None,
        () = job.asking_ended.cancelled() => requests.try_recv().ok(),
    }
}

/// The tasks of a run that are on their way, and those that wait.
struct Running {
    job: Arc<Job>,
    tasks: JoinSet<(Option<TaskReport>, Course)>,
    /// With how long each will wait if it is not finished.
    ids: HashMap<Id, (TaskId, Duration)>,
    waiting: Waiting,
    ended: Tally,
}

/// What came of the tasks of a run.
#[derive(Default)]
struct Tally {
    summary: Summary,
    changed: Vec<TaskId>,
    reused: Vec<u128>,
}

impl Running {
    fn new(job: Job) -> Self {
        let waiting = Waiting::new(job.wait);
        Self { job: Arc::new(job), tasks: JoinSet::new(), ids: HashMap::new(), waiting, ended: Tally::default() }
    }

    fn start(&mut self, look: Look) {
        let (job, id) = (Arc::clone(&self.job), look.request.id.clone());
        let started = self.tasks.spawn(async move {
            let mut course = Course::new(job, look.request);
            (course.run().await, course)
        });
        self.ids.insert(started.id(), (id, look.delay));
    }

    /// Starts a task that has waited, if one has.
    fn look_again(&mut self, look: Option<Look>) {
        if let Some(look) = look {
            self.start(look);
        }
        self.job.emitter.emit(Event::Waiting(self.waiting.count()));
    }

    fn end(&mut self, ended: Result<(Id, (Option<TaskReport>, Course)), JoinError>) {
        let (at, report, course) = match ended {
            Ok((at, (report, course))) => (at, report, Some(course)),
            Err(error) => (error.id(), None, None),
        };
        let Some((id, delay)) = self.ids.remove(&at) else { return };
        if course.as_ref().is_some_and(Course::has_changed) {
            self.ended.changed.push(id.clone());
        }
        let is_pending = report.as_ref().is_some_and(|report| report.outcome == Outcome::Pending);
        match course {
            Some(course) if is_pending && self.may_wait() => {
                self.waiting.park(course.into_request(), delay);
                self.job.emitter.emit(Event::Waiting(self.waiting.count()));
            }
            _ => self.tell(&id, report),
        }
    }

    /// Whether anything will come of waiting.
    fn may_wait(&self) -> bool {
        self.waiting.has_time() && !self.job.stop.is_cancelled() && !self.job.asking_ended.is_cancelled()
    }

    fn tell(&mut self, id: &TaskId, report: Option<TaskReport>) {
        let is_cut = self.job.stop.is_cancelled();
        // A task that broke down is in error, and never takes the run with it.
        let broken = || TaskReport {
            error: Some("it broke down: a fault of this program".to_owned()),
            ..TaskReport::bare(id.clone(), Outcome::Error)
        };
        let Some(report) = report.or_else(|| (!is_cut).then(broken)) else { return };
        self.ended.summary.count(&report);
        if report.reused {
            self.ended.reused.push(id.fingerprint());
        }
        self.job.emitter.emit(Event::Task(Box::new(report)));
    }
}

/// Ends a while after an interrupt: what is still not done by then is left to the next run.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
