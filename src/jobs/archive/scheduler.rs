//! The tasks of a run: being checked, ready, running, or waiting for their next query.
//!
//! A check costs no more than a few reads, so a whole batch is checked on one blocking thread. A task that the check does not
//! finish waits in order for a slot of the running tasks. A panic in one task is an error of that task alone.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures::FutureExt;
use tokio::task::{JoinError, JoinSet};

use super::held_reports::HeldReports;
use super::poll_queue::{PendingCheck, PollQueue};
use super::task_end::{NotAsked, TaskEnd};
use super::task_job::TaskJob;
use super::{ArchiveJob, Request};
use crate::domain::code::TaskErrorCode;
use crate::domain::event::{Event, Outcome, Summary, TaskError, TaskReport};
use crate::domain::task::TaskId;
use crate::threads::{self, WorkerError};

/// Batches that are checked at once.
const MAX_CONCURRENT_CHECKS: usize = 4;

/// A task that was checked or run to its end, or the id of one that panicked.
type TaskResult = Result<Step, TaskId>;

/// A task after its check or its run.
pub(super) struct Step {
    /// How the task ended, if it did.
    end: Option<TaskEnd>,
    /// Boxed, because it is moved several times.
    task: Box<TaskJob>,
}

/// The tasks of a run.
pub(super) struct Scheduler {
    pub job: Arc<ArchiveJob>,
    pub checking: JoinSet<Result<Vec<TaskResult>, WorkerError>>,
    ready: VecDeque<Box<TaskJob>>,
    pub running: JoinSet<TaskResult>,
    pub poll_queue: PollQueue,
    held: HeldReports,
    pub stats: RunStats,
    /// Whether some task panicked or was aborted. It may have committed something that `stats` does not have.
    pub has_unreported: bool,
}

/// The results of a run.
#[derive(Default)]
pub(super) struct RunStats {
    pub summary: Summary,
    pub changed: Vec<TaskId>,
    /// Fingerprints of the ids.
    pub reused: Vec<u128>,
}

impl Scheduler {
    pub(super) fn new(job: ArchiveJob) -> Self {
        Self {
            poll_queue: PollQueue::new(job.wait, job.health.deadline()),
            checking: JoinSet::new(),
            ready: VecDeque::new(),
            running: JoinSet::new(),
            held: HeldReports::default(),
            stats: RunStats { summary: Summary::new(job.kind), ..RunStats::default() },
            job: Arc::new(job),
            has_unreported: false,
        }
    }

    /// Whether no task is left.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_at_work() && self.held.is_empty() && self.poll_queue.len() == 0
    }

    fn is_at_work(&self) -> bool {
        !self.checking.is_empty() || !self.ready.is_empty() || !self.running.is_empty()
    }

    /// Whether more tasks may be checked. False while a ready task waits for a slot.
    pub(super) fn has_capacity(&self) -> bool {
        self.checking.len() < MAX_CONCURRENT_CHECKS && self.ready.is_empty()
    }

    /// Whether a task waits for a slot.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Adds new requests.
    pub(super) fn submit(&mut self, requests: Vec<Request>) {
        let checks = requests.into_iter().map(|request| self.poll_queue.first_check(request)).collect();
        self.spawn_checks(checks);
    }

    /// Adds a task whose wait is over.
    pub(super) fn resubmit(&mut self, check: Option<PendingCheck>) {
        if let Some(check) = check {
            self.spawn_checks(vec![check]);
        }
        self.update_pending_count();
    }

    fn spawn_checks(&mut self, checks: Vec<PendingCheck>) {
        let job = Arc::clone(&self.job);
        let check = move |PendingCheck { request, poll }| {
            let id = request.id.clone();
            let checked = catch_unwind(AssertUnwindSafe(|| {
                let mut task = Box::new(TaskJob::new(Arc::clone(&job), request, poll));
                Step { end: task.check_existing(), task }
            }));
            checked.map_err(|_| id)
        };
        self.checking.spawn(threads::run_blocking(move || checks.into_iter().map(check).collect()));
    }

    /// Handles a batch that was checked.
    pub(super) fn on_checked(&mut self, batch: Result<Result<Vec<TaskResult>, WorkerError>, JoinError>) {
        let Ok(Ok(results)) = batch else {
            self.has_unreported = true;
            return;
        };
        for result in results {
            match result {
                Ok(Step { end: Some(end), task }) => self.record_end(end, task.id()),
                Ok(Step { end: None, task }) => self.ready.push_back(task),
                Err(id) => self.on_panic(id),
            }
        }
    }

    /// Starts ready tasks while there are free slots.
    pub(super) fn dispatch_ready(&mut self) {
        let most = (self.job.max_concurrent_tasks + self.job.committing.get()).min(self.job.max_open_tasks);
        while self.running.len() < most {
            let Some(mut task) = self.ready.pop_front() else { return };
            let id = task.id().clone();
            // Boxed, because a future of this size is moved several times on its way to the runtime.
            let run = Box::pin(async move { Step { end: task.run().await, task } });
            self.running.spawn(AssertUnwindSafe(run).catch_unwind().map(|ended| ended.map_err(|_| id)));
        }
    }

    /// Handles a task whose run ended.
    pub(super) fn on_finished(&mut self, result: Result<TaskResult, JoinError>) {
        let Step { end, task } = match result {
            Ok(Ok(step)) => step,
            Ok(Err(id)) => return self.on_panic(id),
            Err(_) => {
                self.has_unreported = true;
                return;
            }
        };
        if task.has_changed {
            self.stats.changed.push(task.id().clone());
        }
        let report = match end {
            Some(Ok(report)) => report,
            Some(Err(NotAsked)) => return self.record_end(Err(NotAsked), task.id()),
            // The task was interrupted.
            None => return,
        };
        let verdict = task.verdict;
        let deferral = task.deferral(&report).filter(|_| self.can_poll_again());
        if deferral.is_some_and(|why| self.poll_queue.defer(task.into_check(), why, &report, &self.job.health)) {
            self.update_pending_count();
        } else if let Some(report) = self.held.hold(report, verdict) {
            self.report(report);
        }
    }

    /// Reports the tasks that were held back and whose meaning is known now. `has_more`: more requests have arrived.
    pub(super) fn settle_held(&mut self, has_more: bool) {
        let is_idle = !has_more && !self.is_at_work();
        for report in self.held.settle(&self.job, is_idle) {
            self.report(report);
        }
    }

    /// Aborts the tasks that are not finished.
    pub(super) async fn abort_all(&mut self) {
        self.has_unreported |= !self.checking.is_empty() || !self.running.is_empty();
        self.ready.clear();
        self.checking.shutdown().await;
        self.running.shutdown().await;
    }

    /// Whether a task may be queried again in this run.
    fn can_poll_again(&self) -> bool {
        self.poll_queue.has_time() && !self.job.stop.is_cancelled() && !self.job.queries.is_stopped()
    }

    fn on_panic(&mut self, id: TaskId) {
        self.has_unreported = true;
        let error = TaskError::new(TaskErrorCode::Internal, "internal error; please report it".to_owned());
        self.report(TaskReport { error: Some(error), ..TaskReport::new(id, Outcome::Error) });
    }

    fn record_end(&mut self, end: TaskEnd, id: &TaskId) {
        if let Ok(report) = end {
            return self.report(report);
        }
        self.stats.summary.not_asked += 1;
        self.job.emitter.tasks.done.add(1);
        self.job.emitter.emit(Event::NotAsked(id.clone()));
    }

    fn report(&mut self, report: TaskReport) {
        self.stats.summary.count(&report);
        if report.is_settled() {
            self.stats.reused.push(report.task.fingerprint());
        }
        self.job.emitter.tasks.done.add(1);
        self.job.emitter.emit(Event::Task(Box::new(report)));
    }

    fn update_pending_count(&self) {
        self.job.emitter.tasks.pending.set(self.poll_queue.len() as u64);
    }
}
