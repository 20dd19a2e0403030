//! The tasks of a run: those that are looked at, those ready to go, those on their way, those that wait.
//!
//! A look costs no more than a few reads, so that it is taken for a whole batch on one blocking thread. What
//! it does not settle waits here, in order, for one of the places of tasks on their way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::poll_queue::{PendingCheck, PollQueue};
use super::task_job::TaskJob;
use super::{ArchiveJob, Request};
use crate::domain::event::{Event, Outcome, Summary, TaskReport};
use crate::domain::task::TaskId;
use crate::threads::{self, WorkerError};

/// Batches that are looked at at once.
const MAX_CONCURRENT_CHECKS: usize = 4;

/// A task, how it ended if it did, and how long it will wait if it is not finished.
type TaskResult = (Option<TaskReport>, TaskJob, Duration);

/// The tasks of a run.
pub(super) struct Scheduler {
    pub job: Arc<ArchiveJob>,
    pub checking: JoinSet<Result<Vec<TaskResult>, WorkerError>>,
    ready: VecDeque<(TaskJob, Duration)>,
    pub running: JoinSet<TaskResult>,
    /// Of those that are looked at or on their way: who they are should they break down.
    pub task_ids: HashMap<Id, Vec<TaskId>>,
    pub poll_queue: PollQueue,
    pub stats: RunStats,
    /// Whether some task broke down, and nobody knows how far it had come.
    pub has_panicked: bool,
}

/// What came of the tasks of a run.
#[derive(Default)]
pub(super) struct RunStats {
    pub summary: Summary,
    pub changed: Vec<TaskId>,
    pub reused: Vec<u128>,
}

impl Scheduler {
    pub(super) fn new(job: ArchiveJob) -> Self {
        Self {
            poll_queue: PollQueue::new(job.wait),
            job: Arc::new(job),
            checking: JoinSet::new(),
            ready: VecDeque::new(),
            running: JoinSet::new(),
            task_ids: HashMap::new(),
            stats: RunStats::default(),
            has_panicked: false,
        }
    }

    /// Whether nothing is left to do, or to wait for.
    pub(super) fn is_idle(&self) -> bool {
        self.checking.is_empty() && self.ready.is_empty() && self.running.is_empty() && self.poll_queue.len() == 0
    }

    /// Whether more tasks may be looked at: as long as those that are ready get their places.
    pub(super) fn has_capacity(&self) -> bool {
        self.checking.len() < MAX_CONCURRENT_CHECKS && self.ready.is_empty()
    }

    /// Takes new requests in.
    pub(super) fn submit(&mut self, requests: Vec<Request>) {
        let looks = requests.into_iter().map(|request| self.poll_queue.first_check(request)).collect();
        self.spawn_check(looks);
    }

    /// Takes in a task that has waited, if one has.
    pub(super) fn resubmit(&mut self, look: Option<PendingCheck>) {
        if let Some(look) = look {
            self.spawn_check(vec![look]);
        }
        self.update_waiting_count();
    }

    fn spawn_check(&mut self, looks: Vec<PendingCheck>) {
        let (job, ids) = (Arc::clone(&self.job), looks.iter().map(|look| look.request.id.clone()).collect());
        let look = move |PendingCheck { request, delay }| {
            let mut course = TaskJob::new(Arc::clone(&job), request);
            (course.check_existing(), course, delay)
        };
        let started = self.checking.spawn(threads::run_blocking(move || looks.into_iter().map(look).collect()));
        self.task_ids.insert(started.id(), ids);
    }

    /// A batch has been looked at.
    pub(super) fn on_checked(&mut self, looked: Result<(Id, Result<Vec<TaskResult>, WorkerError>), JoinError>) {
        match looked {
            Ok((at, Err(WorkerError))) => self.on_panic(at),
            Ok((at, Ok(courses))) => {
                self.task_ids.remove(&at);
                for (report, course, delay) in courses {
                    match report {
                        Some(report) => self.report(&report.task.clone(), Some(report)),
                        None => self.ready.push_back((course, delay)),
                    }
                }
            }
            Err(error) => self.on_panic(error.id()),
        }
    }

    /// Sends off what is ready, as far as there are places.
    pub(super) fn dispatch_ready(&mut self) {
        while self.running.len() < self.job.max_concurrent_tasks {
            let Some((mut course, delay)) = self.ready.pop_front() else { return };
            let id = course.id().clone();
            let started = self.running.spawn(async move { (course.run().await, course, delay) });
            self.task_ids.insert(started.id(), vec![id]);
        }
    }

    /// A task has come to its end.
    pub(super) fn on_finished(&mut self, ended: Result<(Id, TaskResult), JoinError>) {
        let (at, (report, course, delay)) = match ended {
            Ok(ended) => ended,
            Err(error) => return self.on_panic(error.id()),
        };
        self.task_ids.remove(&at);
        let id = course.id().clone();
        if course.has_changed {
            self.stats.changed.push(id.clone());
        }
        let is_pending = report.as_ref().is_some_and(|report| report.outcome == Outcome::Pending);
        if is_pending && self.can_poll_again() {
            self.poll_queue.schedule(course.into_request(), delay);
            self.update_waiting_count();
        } else {
            self.report(&id, report);
        }
    }

    /// Gives up what is not done yet.
    pub(super) async fn abort_all(&mut self) {
        self.ready.clear();
        self.checking.shutdown().await;
        self.running.shutdown().await;
    }

    /// Whether anything will come of waiting.
    fn can_poll_again(&self) -> bool {
        self.poll_queue.has_time() && !self.job.stop.is_cancelled() && !self.job.stop_queries.is_cancelled()
    }

    fn on_panic(&mut self, at: Id) {
        self.has_panicked = true;
        for id in self.task_ids.remove(&at).unwrap_or_default() {
            self.report(&id, None);
        }
    }

    fn report(&mut self, id: &TaskId, report: Option<TaskReport>) {
        let is_cut = self.job.stop.is_cancelled();
        // A task that broke down is in error, and never takes the run with it.
        let broken = || TaskReport {
            error: Some("it broke down: a fault of this program".to_owned()),
            ..TaskReport::new(id.clone(), Outcome::Error)
        };
        let Some(report) = report.or_else(|| (!is_cut).then(broken)) else { return };
        self.stats.summary.count(&report);
        if report.reused {
            self.stats.reused.push(id.fingerprint());
        }
        self.job.emitter.tasks.done.add(1);
        self.job.emitter.emit(Event::Task(Box::new(report)));
    }

    fn update_waiting_count(&self) {
        self.job.emitter.tasks.pending.set(self.poll_queue.len() as u64);
    }
}
