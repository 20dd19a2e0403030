//! The `meta` of tasks that are requested twice: by the user, and by the account's list.
//!
//! An id counts once per run, so the second request is not archived. Its fields still fill what `meta` lacks. That is done when all
//! tasks have ended, so that no task meets itself. Only requests that follow one of the user are held, each id once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::poll_queue::PollState;
use super::scheduler::RunStats;
use super::task_job::TaskJob;
use super::{ArchiveJob, Request};
use crate::domain::event::Event;

/// The ids that were requested, and the fields to record later. Clones share the fields.
#[derive(Clone, Default)]
pub(crate) struct LateMeta(Arc<Mutex<Vec<Request>>>);

/// The ids of a run, by their fingerprints.
pub(crate) struct SeenIds {
    /// Those whose first request has nothing for `meta` to fall back on.
    without_defaults: HashSet<u128>,
    others: HashSet<u128>,
    late: LateMeta,
}

impl SeenIds {
    pub(crate) fn new(late: LateMeta) -> Self {
        Self { without_defaults: HashSet::new(), others: HashSet::new(), late }
    }

    /// The request, if it is the first one for its id.
    pub(crate) fn first(&mut self, request: Request) -> Option<Request> {
        let id = request.id.fingerprint();
        if self.others.contains(&id) {
            return None;
        }
        if request.meta_defaults.is_empty() {
            return self.without_defaults.insert(id).then_some(request);
        }
        self.others.insert(id);
        if !self.without_defaults.remove(&id) {
            return Some(request);
        }
        self.late.0.lock().unwrap_or_else(PoisonError::into_inner).push(Request { meta: None, ..request });
        None
    }
}

impl LateMeta {
    /// Records the fields. A fault is a warning: the task itself was archived.
    pub(super) async fn record(&self, job: &Arc<ArchiveJob>, stats: &mut RunStats) {
        let requests = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for request in requests {
            if job.stop.is_cancelled() || job.may_read_bucket().is_err() {
                return;
            }
            let id = request.id.clone();
            let mut task = TaskJob::new(Arc::clone(job), request, PollState::default());
            if let Err(abort) = task.record_meta().await {
                job.emitter.emit(Event::Warning(format!(
                    "{id}: can't complete its `meta` from the account's list{}; the next run with --since tries again",
                    abort.cause()
                )));
            }
            if task.has_changed {
                stats.changed.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::domain::task::TaskId;

    #[test]
    fn each_id_is_archived_once_and_completed_at_most_once() {
        let request = |id: &str, is_listed: bool| {
            let mut meta_defaults = Map::new();
            if is_listed {
                meta_defaults.insert("title".to_owned(), "T".into());
            }
            Request { meta_defaults, ..Request::new(TaskId::new(id).unwrap()) }
        };
        let late = LateMeta::default();
        let mut seen = SeenIds::new(late.clone());
        let requests =
            [("a", false), ("b", true), ("a", false), ("a", true), ("b", true), ("b", false), ("a", true), ("c", false)];
        let first: Vec<String> = requests
            .into_iter()
            .filter_map(|(id, is_listed)| seen.first(request(id, is_listed)))
            .map(|request| request.id.as_str().to_owned())
            .collect();
        assert_eq!(first, ["a", "b", "c"]);
        let late: Vec<String> = late.0.lock().unwrap().iter().map(|request| request.id.as_str().to_owned()).collect();
        assert_eq!(late, ["a"]);
    }
}
