//! The tasks of a run: those that are looked at, those ready to go, those on their way, those that wait.
//!
//! A look costs no more than a few reads, so that it is taken for a whole batch on one blocking thread. What
//! it does not settle waits here, in order, for one of the places of tasks on their way.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

use super::course::Course;
use super::wait::{Look, Waiting};
use super::{Job, Request};
use crate::event::{Event, Outcome, Summary, TaskReport};
use crate::task::TaskId;
use crate::threads::{self, Panicked};

/// Batches that are looked at at once.
const LOOKS_AT_ONCE: usize = 4;

/// A task, how it ended if it did, and how long it will wait if it is not finished.
type Ended = (Option<TaskReport>, Course, Duration);

/// The tasks of a run.
pub(super) struct Running {
    pub job: Arc<Job>,
    pub looking: JoinSet<Result<Vec<Ended>, Panicked>>,
    ready: VecDeque<(Course, Duration)>,
    pub going: JoinSet<Ended>,
    /// Of those that are looked at or on their way: who they are should they break down.
    pub ids: HashMap<Id, Vec<TaskId>>,
    pub waiting: Waiting,
    pub tally: Tally,
    /// Whether some task broke down, and nobody knows how far it had come.
    pub has_broken: bool,
}

/// What came of the tasks of a run.
#[derive(Default)]
pub(super) struct Tally {
    pub summary: Summary,
    pub changed: Vec<TaskId>,
    pub reused: Vec<u128>,
}

impl Running {
    pub(super) fn new(job: Job) -> Self {
        Self {
            waiting: Waiting::new(job.wait),
            job: Arc::new(job),
            looking: JoinSet::new(),
            ready: VecDeque::new(),
            going: JoinSet::new(),
            ids: HashMap::new(),
            tally: Tally::default(),
            has_broken: false,
        }
    }

    /// Whether nothing is left to do, or to wait for.
    pub(super) fn is_idle(&self) -> bool {
        self.looking.is_empty() && self.ready.is_empty() && self.going.is_empty() && self.waiting.count() == 0
    }

    /// Whether more tasks may be looked at: as long as those that are ready get their places.
    pub(super) fn has_room(&self) -> bool {
        self.looking.len() < LOOKS_AT_ONCE && self.ready.is_empty()
    }

    /// Takes new requests in.
    pub(super) fn take(&mut self, requests: Vec<Request>) {
        let looks = requests.into_iter().map(|request| self.waiting.first(request)).collect();
        self.look(looks);
    }

    /// Takes in a task that has waited, if one has.
    pub(super) fn take_again(&mut self, look: Option<Look>) {
        if let Some(look) = look {
            self.look(vec![look]);
        }
        self.tell_waiting();
    }

    fn look(&mut self, looks: Vec<Look>) {
        let (job, ids) = (Arc::clone(&self.job), looks.iter().map(|look| look.request.id.clone()).collect());
        let look = move |Look { request, delay }| {
            let mut course = Course::new(Arc::clone(&job), request);
            (course.look(), course, delay)
        };
        let started = self.looking.spawn(threads::blocking(move || looks.into_iter().map(look).collect()));
        self.ids.insert(started.id(), ids);
    }

    /// A batch has been looked at.
    pub(super) fn looked(&mut self, looked: Result<(Id, Result<Vec<Ended>, Panicked>), JoinError>) {
        match looked {
            Ok((at, Err(Panicked))) => self.broke_down(at),
            Ok((at, Ok(courses))) => {
                self.ids.remove(&at);
                for (report, course, delay) in courses {
                    match report {
                        Some(report) => self.tell(&report.task.clone(), Some(report)),
                        None => self.ready.push_back((course, delay)),
                    }
                }
            }
            Err(error) => self.broke_down(error.id()),
        }
    }

    /// Sends off what is ready, as far as there are places.
    pub(super) fn send_off(&mut self) {
        while self.going.len() < self.job.tasks_at_once {
            let Some((mut course, delay)) = self.ready.pop_front() else { return };
            let id = course.id().clone();
            let started = self.going.spawn(async move { (course.run().await, course, delay) });
            self.ids.insert(started.id(), vec![id]);
        }
    }

    /// A task has come to its end.
    pub(super) fn end(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (at, (report, course, delay)) = match ended {
            Ok(ended) => ended,
            Err(error) => return self.broke_down(error.id()),
        };
        self.ids.remove(&at);
        let id = course.id().clone();
        if course.has_changed {
            self.tally.changed.push(id.clone());
        }
        let is_pending = report.as_ref().is_some_and(|report| report.outcome == Outcome::Pending);
        if is_pending && self.may_wait() {
            self.waiting.park(course.into_request(), delay);
            self.tell_waiting();
        } else {
            self.tell(&id, report);
        }
    }

    /// Gives up what is not done yet.
    pub(super) async fn cut_off(&mut self) {
        self.ready.clear();
        self.looking.shutdown().await;
        self.going.shutdown().await;
    }

    /// Whether anything will come of waiting.
    fn may_wait(&self) -> bool {
        self.waiting.has_time() && !self.job.stop.is_cancelled() && !self.job.asking_ended.is_cancelled()
    }

    fn broke_down(&mut self, at: Id) {
        self.has_broken = true;
        for id in self.ids.remove(&at).unwrap_or_default() {
            self.tell(&id, None);
        }
    }

    fn tell(&mut self, id: &TaskId, report: Option<TaskReport>) {
        let is_cut = self.job.stop.is_cancelled();
        // A task that broke down is in error, and never takes the run with it.
        let broken = || TaskReport {
            error: Some("it broke down: a fault of this program".to_owned()),
            ..TaskReport::bare(id.clone(), Outcome::Error)
        };
        let Some(report) = report.or_else(|| (!is_cut).then(broken)) else { return };
        self.tally.summary.count(&report);
        if report.reused {
            self.tally.reused.push(id.fingerprint());
        }
        self.job.emitter.tasks.done.add(1);
        self.job.emitter.emit(Event::Task(Box::new(report)));
    }

    fn tell_waiting(&self) {
        self.job.emitter.tasks.waiting.set(self.waiting.count() as u64);
    }
}
