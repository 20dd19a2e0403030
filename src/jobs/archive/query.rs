//! The queries of a run. What concerns all tasks ends them: a refused key, a gateway that can't be reached, an archive that can't
//! be written to.

use super::poll_queue::Turn;
use super::task_end::TaskAbort;
use super::{ArchiveJob, FatalError};
use crate::domain::event::{Event, TaskError};
use crate::domain::task::TaskId;
use crate::gateway::{self, Purpose, QueryFailure, RetryNotice, TaskResponse};

impl ArchiveJob {
    /// Makes sure, once per run, that the archive can be written to. Else the run stops asking, and it is false.
    pub(super) async fn check_writable(&self) -> bool {
        let check = || async {
            match self.storage.check_writable().await {
                Ok(None) => {}
                Ok(Some(warning)) => self.emitter.emit(Event::Warning(warning)),
                Err(error) => {
                    self.queries.stop(FatalError::NotWritable(error.message()));
                    return false;
                }
            }
            true
        };
        self.dry_run || *self.write_check.get_or_init(check).await
    }

    /// Queries the gateway, until the run is stopped or stops asking. A query that was sent before still gets its answer.
    pub(super) async fn query(&self, id: &TaskId, purpose: Purpose, turn: Turn) -> Result<TaskResponse, TaskAbort> {
        self.check_writable().await;
        if self.queries.is_stopped() {
            return Err(TaskAbort::QueriesEnded);
        }
        tokio::select! {
            // An answer that has arrived counts before a stop.
            biased;
            response = self.query_gateway(id, purpose, turn) => response,
            () = self.stop.cancelled() => Err(TaskAbort::Interrupted),
            () = self.queries.gave_up() => Err(TaskAbort::QueriesEnded),
        }
    }

    /// Queries the gateway, unless there is an outage and it is not the task's turn. A refused key ends all queries.
    async fn query_gateway(&self, id: &TaskId, purpose: Purpose, turn: Turn) -> Result<TaskResponse, TaskAbort> {
        let on_retry = |notice: &RetryNotice<'_>| self.health.record_retry(notice, &self.emitter);
        let response = self.gateway.get_task(id, purpose, &on_retry, self.queries.token());
        let response = match (turn, self.health.outage()) {
            (Turn::GiveUp, Some(outage)) if outage.is_proven => return Err(self.end_unreachable(outage.error, outage.cause)),
            (Turn::GiveUp, Some(outage)) => return Err(TaskAbort::NotAsked(outage.error)),
            (Turn::Probe, _) => response.await,
            _ => tokio::select! {
                biased;
                error = self.health.outage_began() => return Err(TaskAbort::NotAsked(error)),
                response = response => response,
            },
        };
        let QueryFailure { error, since } = match response {
            Ok(response) => {
                self.health.record_answer(true, &self.emitter);
                return Ok(response);
            }
            Err(failure) => failure,
        };
        if matches!(error, gateway::Error::QuestionsEnded) {
            return Err(TaskAbort::QueriesEnded);
        }
        if !error.is_transient() && error.is_answer() {
            let is_about_task = matches!(error, gateway::Error::NotFound { is_explicit: true, .. });
            self.health.record_answer(is_about_task, &self.emitter);
        } else if self.health.record_failure(id, since, &error, &self.emitter) {
            return Err(self.end_unreachable((&error).into(), error.cause()));
        }
        Err(match error {
            gateway::Error::KeyRejected(words) => {
                self.queries.stop(FatalError::KeyRefused(words));
                TaskAbort::QueriesEnded
            }
            gateway::Error::Interrupted => TaskAbort::Interrupted,
            error => TaskAbort::Gateway(error),
        })
    }

    /// Ends the queries: the gateway can't be reached, as `error` of one task shows.
    fn end_unreachable(&self, error: TaskError, cause: String) -> TaskAbort {
        let gateway = self.gateway.base().to_string();
        match self.queries.stop(FatalError::GatewayUnreachable { gateway, cause }) {
            true => TaskAbort::run_wide(error),
            // Several tasks may find out at the same moment. One of them stands for the cause.
            false => TaskAbort::QueriesEnded,
        }
    }
}
