//! One task: check what the archive has, query, lock, plan, download, commit.
//!
//! A task ends in exactly one report, or as one that was not asked about, unless the run is interrupted. The archive keeps what it
//! has: when the task now fails or is unknown, or its answer has fewer assets, its manifest stays unchanged.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::check::Settled;
use super::poll_queue::{Deferral, PendingCheck, PollState};
use super::task_end::{NotAsked, TaskAbort, TaskEnd, Verdict, storage_error_code};
use super::{ArchiveJob, RepairScope, Request, dry_run, late_link};
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Outcome, TaskError, TaskReport};
use crate::domain::manifest::{FileEntry, State, TaskEntry};
use crate::domain::task::{Task, TaskId, TaskPhase};
use crate::gateway::{self, OutageEvidence, Purpose, TaskResponse};
use crate::storage::{LeaseRead, TaskLease, TaskSnapshot};

/// One task of a run.
pub(super) struct TaskJob {
    pub(super) job: Arc<ArchiveJob>,
    pub(super) meta: Option<Map<String, Value>>,
    pub(super) meta_defaults: Map<String, Value>,
    pub(super) repair: Option<RepairScope>,
    /// What the check read, if it read anything. The run takes it.
    pub(super) checked: Option<TaskSnapshot>,
    /// What only the root manifest has of the task, until the task manifest is written again.
    pub(super) index_snapshot: Option<TaskSnapshot>,
    /// The report so far.
    pub(super) report: TaskReport,
    /// Whether the task's folder was changed.
    pub(super) has_changed: bool,
    /// What the run remembers of earlier checks.
    pub(super) poll: PollState,
    /// Whether the task is so new that its links may not work yet.
    pub(super) is_new: bool,
    /// Why the gateway did not answer, if it did not.
    pub(super) missed_answer: Option<Deferral>,
    /// What the report says of the gateway.
    pub(super) verdict: Verdict,
}

/// What a report takes from an entry.
pub(super) struct EntryTotals {
    pub files: usize,
    pub bytes: u64,
    pub has_text: bool,
}

impl EntryTotals {
    pub(super) fn from_entry(entry: &TaskEntry) -> Self {
        Self { files: entry.files.len(), bytes: entry.bytes(), has_text: entry.text.is_some() }
    }
}

impl TaskJob {
    pub(super) fn new(job: Arc<ArchiveJob>, request: Request, poll: PollState) -> Self {
        let PollState { fetched, fetched_bytes, .. } = poll;
        Self {
            job,
            meta: request.meta,
            meta_defaults: request.meta_defaults,
            repair: request.repair,
            checked: None,
            index_snapshot: None,
            report: TaskReport {
                fetched,
                fetched_bytes,
                has_new_content: fetched > 0,
                ..TaskReport::new(request.id, Outcome::Error)
            },
            has_changed: false,
            poll,
            is_new: false,
            missed_answer: None,
            verdict: Verdict::Nothing,
        }
    }

    /// The check that this job was made from, for another query.
    pub(super) fn into_check(self) -> PendingCheck {
        let Self { meta, meta_defaults, repair, .. } = self;
        let request = Request { id: self.report.task, meta, meta_defaults, repair };
        PendingCheck { request, poll: self.poll }
    }

    /// Why the task is to be checked again, if a later query may say more than `report`.
    pub(super) fn deferral(&self, report: &TaskReport) -> Option<Deferral> {
        if report.outcome == Outcome::Pending { Some(Deferral::Unfinished) } else { self.missed_answer }
    }

    /// Runs the task to its end. None when the run was interrupted before that.
    pub(super) async fn run(&mut self) -> Option<TaskEnd> {
        // Boxed, because it is large.
        let result = Box::pin(self.run_steps()).await;
        if let Err(abort) = &result {
            self.missed_answer = abort.missed_answer();
        }
        let result = match (result, self.finish().await) {
            (Ok(_) | Err(TaskAbort::Interrupted), Err(abort)) => Err(abort),
            (result, _) => result,
        };
        self.end(result)
    }

    /// Completes the report and returns it. None when the run was interrupted.
    pub(super) fn end(&mut self, result: Result<Outcome, TaskAbort>) -> Option<TaskEnd> {
        self.report.outcome = match result {
            Ok(outcome) => outcome,
            Err(TaskAbort::Interrupted) => return None,
            // The gateway's last word still holds.
            Err(TaskAbort::QueriesEnded) if self.poll.was_unfinished => Outcome::Pending,
            Err(TaskAbort::QueriesEnded) => return Some(Err(NotAsked)),
            Err(TaskAbort::Gateway(gateway::Error::NotFound { words, .. })) => {
                self.report.err_reason = words;
                Outcome::NotFound
            }
            Err(TaskAbort::Gateway(gateway::Error::UnknownUrl(words))) => {
                self.verdict = Verdict::UnknownUrl;
                self.report.err_reason = Some(words);
                Outcome::NotFound
            }
            Err(TaskAbort::Gateway(error)) => {
                if error.outage_evidence() == OutageEvidence::Unanswered {
                    self.verdict = Verdict::Unanswered;
                }
                self.fail((&error).into())
            }
            Err(TaskAbort::NotAsked(error)) => self.fail(TaskError { message: format!("not asked: {}", error.message), ..error }),
            Err(TaskAbort::Store(error)) => {
                let code = storage_error_code(&error);
                let error = self.job.downloader.disk.handle_error(error.into());
                self.fail(TaskError { is_run_wide: error.ends_run(), ..TaskError::new(code, error.to_string()) })
            }
            Err(TaskAbort::RunWide(error)) => self.fail(error),
        };
        let empty = TaskReport::new(self.id().clone(), Outcome::Error);
        Some(Ok(std::mem::replace(&mut self.report, empty)))
    }

    fn fail(&mut self, error: TaskError) -> Outcome {
        // What was to be done besides reusing it has failed.
        (self.report.reused, self.report.skipped) = (false, false);
        self.report.error = Some(error);
        Outcome::Error
    }

    async fn run_steps(&mut self) -> Result<Outcome, TaskAbort> {
        let mut snapshot = match self.checked.take() {
            Some(snapshot) => snapshot,
            None => self.read_bucket().await?,
        };
        self.update_report(snapshot.entry.as_ref());
        if let Some(outcome) = self.restore_text(&snapshot).await? {
            return Ok(outcome);
        }
        if let Some(settled) = self.settled(&snapshot) {
            self.cleanup(&snapshot).await?;
            return Ok(self.mark_settled(settled, &snapshot));
        }
        self.index_snapshot = snapshot.is_from_root().then(|| snapshot.clone());
        // The response is read again under the lock. Until then many tasks may wait, and it would take memory.
        snapshot.drop_response();
        // The permit lives as long as any copy of the answer.
        let TaskResponse { task, time, memory_permit: _permit } = self.query().await?;
        self.is_new = self.poll.was_unfinished || late_link::has_just_finished(&task, time);
        self.report.status.clone_from(&task.status);
        if let Some(outcome) = self.early_outcome(&task, snapshot.entry.as_ref()) {
            return Ok(outcome);
        }
        if self.job.dry_run {
            return Ok(dry_run::report_plan(&self.job, self.id(), &self.display_path(), &task, &snapshot));
        }
        let read = if snapshot.entry.is_none() { LeaseRead::New } else { LeaseRead::Recovered };
        let (lease, snapshot) = self.acquire_lease(read).await?;
        self.poll.is_absent = snapshot.entry.is_none();
        // Another process may have archived the task in the meantime.
        let settled = match self.settled(&snapshot) {
            None if self.narrow_repair_scope(&snapshot, &lease).await? => Some(Settled::Reused),
            settled => settled,
        };
        if let Some(settled) = settled {
            self.update_report(snapshot.entry.as_ref());
            if let Some(entry) = snapshot.entry.clone().filter(|_| self.job.storage.is_bucket()) {
                // The lease has made a folder in the spool.
                lease.cleanup(entry).await?;
            }
            return Ok(self.mark_settled(settled, &snapshot));
        }
        self.download_and_commit(task, snapshot, lease).await
    }

    /// Drops from the repair scope what is intact now that the lock is held. True when nothing is left of it.
    async fn narrow_repair_scope(&mut self, snapshot: &TaskSnapshot, lease: &TaskLease) -> Result<bool, TaskAbort> {
        if snapshot.entry.is_none() {
            // In a bucket nothing else says what a damaged manifest named. So everything is fetched again.
            self.repair = None;
        }
        let Some(scope) = &mut self.repair else { return Ok(false) };
        let keys: HashSet<AssetKey> = scope.keys.iter().copied().collect();
        let suspects: Vec<_> = snapshot.recorded_files().iter().filter(|file| keys.contains(&file.key())).cloned().collect();
        let mut intact: HashSet<AssetKey> = suspects.iter().map(FileEntry::key).collect();
        for broken in lease.broken_files(suspects).await? {
            intact.remove(&broken.key());
        }
        scope.keys.retain(|key| !intact.contains(key));
        Ok(scope.keys.is_empty())
    }

    pub(super) fn id(&self) -> &TaskId {
        &self.report.task
    }

    /// The task's folder below the archive's path as the user wrote it.
    pub(super) fn display_path(&self) -> PathBuf {
        self.job.storage.task_path(&self.job.display_root, self.id())
    }

    /// Copies into the report what the archive has.
    pub(super) fn update_report(&mut self, entry: Option<&TaskEntry>) {
        if let Some(entry) = entry {
            self.apply_totals(EntryTotals::from_entry(entry));
        }
    }

    pub(super) fn apply_totals(&mut self, EntryTotals { files, bytes, has_text }: EntryTotals) {
        self.report.path = Some(self.display_path().display().to_string());
        (self.report.files, self.report.bytes, self.report.has_text) = (files, bytes, has_text);
    }

    async fn query(&self) -> Result<TaskResponse, TaskAbort> {
        self.job.downloader.disk.check().map_err(|error| TaskAbort::disk(&error))?;
        self.job.query(self.id(), Purpose::Task, self.poll.turn).await
    }

    /// The outcome, when the answer has nothing that the archive would store.
    fn early_outcome(&mut self, task: &Task, entry: Option<&TaskEntry>) -> Option<Outcome> {
        match task.phase {
            TaskPhase::Pending => Some(Outcome::Pending),
            TaskPhase::Finished if task.is_empty() => Some(Outcome::Empty),
            TaskPhase::Finished => None,
            TaskPhase::Failed => {
                self.report.err_reason.clone_from(&task.err_reason);
                entry.is_some_and(|entry| entry.state != State::Failed).then_some(Outcome::Failed)
            }
        }
    }
}
