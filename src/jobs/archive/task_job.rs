//! One task's way: what is here (a look, taken before the others), ask, lock, plan, fetch, record.
//!
//! Whatever happens on the way, it ends in one report, and the archive keeps what it has: a task
//! that now fails, is unknown or names less leaves its manifest as it was.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::{ArchiveJob, RepairScope, Request, dry_run};
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Event, Outcome, TaskReport};
use crate::domain::manifest::{FileEntry, State, TaskEntry};
use crate::domain::plan;
use crate::domain::task::{Task, TaskId, TaskPhase};
use crate::gateway::{self, Purpose, TaskResponse};
use crate::storage::{self, REPORT_AFTER, TaskDir, TaskLease, TaskSnapshot, blocking};
use crate::transfer;

/// How long to wait before looking at a lock again that another process holds.
const LOCK_RETRY_DELAY: Duration = Duration::from_millis(100);

/// One task on its way.
pub(super) struct TaskJob {
    pub(super) job: Arc<ArchiveJob>,
    pub(super) folder: TaskDir,
    pub(super) meta: Option<Map<String, Value>>,
    pub(super) repair: Option<RepairScope>,
    /// What the look saw, until the way goes on from it.
    snapshot: TaskSnapshot,
    /// What only the root's manifest remembers of the task, until its own is written again.
    pub(super) index_snapshot: Option<TaskSnapshot>,
    /// Told at the end; filled on the way.
    pub(super) report: TaskReport,
    /// Whether the task's folder is another than before.
    pub(super) has_changed: bool,
}

/// What a report says of an entry.
pub(super) struct EntryTotals {
    files: usize,
    bytes: u64,
    has_text: bool,
}

impl EntryTotals {
    pub(super) fn from_entry(entry: &TaskEntry) -> Self {
        Self { files: entry.files.len(), bytes: entry.bytes(), has_text: entry.text.is_some() }
    }
}

/// Why a task went no further.
pub(super) enum TaskAbort {
    Gateway(gateway::Error),
    Store(storage::Error),
    /// The asking has ended for all.
    KeyRefused,
    /// The disk takes no more; told once, for all.
    Disk(transfer::Error),
    /// The run was interrupted.
    Interrupted,
}

impl From<storage::Error> for TaskAbort {
    fn from(error: storage::Error) -> Self {
        Self::Store(error)
    }
}

impl From<gateway::Error> for TaskAbort {
    fn from(error: gateway::Error) -> Self {
        Self::Gateway(error)
    }
}

impl TaskJob {
    pub(super) fn new(job: Arc<ArchiveJob>, request: Request) -> Self {
        let folder = job.archive.task_dir(&request.id);
        Self {
            job,
            folder,
            meta: request.meta,
            repair: request.repair,
            snapshot: TaskSnapshot::default(),
            index_snapshot: None,
            report: TaskReport::new(request.id, Outcome::Error),
            has_changed: false,
        }
    }

    /// What it started from, to go the way again.
    pub(super) fn into_request(self) -> Request {
        Request { id: self.report.task, meta: self.meta, repair: self.repair }
    }

    /// Looks at what is here; how the task ended, when that is all that there is to do. Blocks.
    pub(super) fn check_existing(&mut self) -> Option<TaskReport> {
        match self.folder.read_snapshot() {
            Ok(known) => self.snapshot = known,
            Err(error) => {
                self.report.outcome = self.record_abort(error.into());
                return Some(self.take_report());
            }
        }
        let entry = self.snapshot.entry.as_ref();
        let has_news = self.meta.is_some() && entry.is_some_and(|entry| entry.meta != self.meta);
        if has_news || self.snapshot.has_leftovers() || !self.is_up_to_date(&self.snapshot) {
            return None;
        }
        let known = std::mem::take(&mut self.snapshot);
        self.update_report(known.entry.as_ref());
        self.report.outcome = self.mark_reused(&known);
        Some(self.take_report())
    }

    fn take_report(&mut self) -> TaskReport {
        let bare = TaskReport::new(self.id().clone(), Outcome::Error);
        std::mem::replace(&mut self.report, bare)
    }

    /// Goes all the way; how the task ended, unless the run did before.
    pub(super) async fn run(&mut self) -> Option<TaskReport> {
        let gone = self.run_steps().await;
        let gone = match (gone, self.finish().await) {
            (Ok(_) | Err(TaskAbort::Interrupted), Err(stop)) => Err(stop),
            (gone, _) => gone,
        };
        self.report.outcome = match gone {
            Ok(outcome) => outcome,
            Err(TaskAbort::Interrupted) => return None,
            Err(stop) => self.record_abort(stop),
        };
        Some(self.take_report())
    }

    async fn run_steps(&mut self) -> Result<Outcome, TaskAbort> {
        let mut known = std::mem::take(&mut self.snapshot);
        self.update_report(known.entry.as_ref());
        if let Some(outcome) = self.restore_text(&known).await? {
            return Ok(outcome);
        }
        if self.is_up_to_date(&known) {
            self.cleanup(&known).await?;
            return Ok(self.mark_reused(&known));
        }
        self.index_snapshot = known.is_from_root().then(|| known.clone());
        // It is read again under the lock; until then many tasks may wait.
        known.drop_response();
        // The room ends with the last copy of anything from the answer.
        let TaskResponse { task, memory_permit: _room } = self.query().await?;
        self.report.status.clone_from(&task.status);
        if let Some(outcome) = self.early_outcome(&task, known.entry.as_ref()) {
            return Ok(outcome);
        }
        if self.job.dry_run {
            return Ok(dry_run::report_plan(&self.job, self.id(), &self.display_path(), &task, &known));
        }
        let (held, known) = self.acquire_lease(TaskLease::recover).await?;
        if self.is_up_to_date(&known) || self.narrow_repair_scope(&known, &held).await? {
            // Another process has been here in the meantime.
            self.update_report(known.entry.as_ref());
            return Ok(self.mark_reused(&known));
        }
        self.download_and_commit(task, known, held).await
    }

    /// Whether nothing of what `repair` found lost is lost any more, now that the lock is held.
    async fn narrow_repair_scope(&mut self, known: &TaskSnapshot, held: &Arc<TaskLease>) -> Result<bool, TaskAbort> {
        let Some(mut lost) = self.repair.take() else { return Ok(false) };
        let (recorded, holder) = (known.recorded_files().to_vec(), Arc::clone(held));
        let still = blocking(move || {
            let recorded: HashMap<AssetKey, &FileEntry> = recorded.iter().map(|entry| (entry.key(), entry)).collect();
            let mut still = Vec::new();
            for slot in std::mem::take(&mut lost.keys) {
                let entry = recorded.get(&slot);
                if !entry.map_or(Ok(false), |entry| holder.has(entry))? {
                    still.push(slot);
                }
            }
            lost.keys = still;
            Ok::<_, storage::Error>(lost)
        });
        let still = still.await?;
        let is_all_here = still.keys.is_empty();
        self.repair = Some(still);
        Ok(is_all_here)
    }

    pub(super) fn id(&self) -> &TaskId {
        &self.report.task
    }

    fn is_up_to_date(&self, known: &TaskSnapshot) -> bool {
        let ArchiveJob { wanted, force, skip_failed, .. } = *self.job;
        let is_enough = |entry: &TaskEntry| {
            // To fetch everything again still leaves alone what is asked to be left alone.
            (!force && plan::is_up_to_date(entry, wanted)) || (skip_failed && plan::is_permanent_failure(entry, wanted))
        };
        self.repair.is_none() && !known.is_from_root() && known.is_intact() && known.entry.as_ref().is_some_and(is_enough)
    }

    /// The task's folder, as the user wrote the archive.
    pub(super) fn display_path(&self) -> PathBuf {
        self.job.archive.display_task_dir(&self.job.display_root, &self.folder)
    }

    /// Takes into the report what the archive has.
    pub(super) fn update_report(&mut self, entry: Option<&TaskEntry>) {
        entry.map(EntryTotals::from_entry).into_iter().for_each(|noted| self.apply_totals(noted));
    }

    pub(super) fn apply_totals(&mut self, EntryTotals { files, bytes, has_text }: EntryTotals) {
        self.report.path = Some(self.display_path().display().to_string());
        (self.report.files, self.report.bytes, self.report.has_text) = (files, bytes, has_text);
    }

    async fn query(&self) -> Result<TaskResponse, TaskAbort> {
        if self.job.key_refusal.get().is_some() {
            return Err(TaskAbort::KeyRefused);
        }
        self.job.downloader.disk.check().map_err(TaskAbort::Disk)?;
        let answer = tokio::select! {
            // Before all else what has come.
            biased;
            answer = self.job.query(self.id(), Purpose::Task) => answer,
            () = self.job.stop.cancelled() => return Err(TaskAbort::Interrupted),
            () = self.job.stop_queries.cancelled() => return Err(TaskAbort::KeyRefused),
        };
        match answer {
            Err(gateway::Error::KeyRejected(_)) => Err(TaskAbort::KeyRefused),
            Err(gateway::Error::Interrupted) => Err(TaskAbort::Interrupted),
            answer => Ok(answer?),
        }
    }

    /// How the task ends when its answer brings nothing that the archive would take.
    fn early_outcome(&mut self, task: &Task, known: Option<&TaskEntry>) -> Option<Outcome> {
        match task.phase {
            TaskPhase::Pending => Some(Outcome::Pending),
            TaskPhase::Finished if task.is_empty() => Some(Outcome::Empty),
            TaskPhase::Finished => None,
            TaskPhase::Failed => {
                self.report.error.clone_from(&task.err_reason);
                known.is_some_and(|known| known.state != State::Failed).then_some(Outcome::Failed)
            }
        }
    }

    pub(super) fn mark_reused(&mut self, known: &TaskSnapshot) -> Outcome {
        self.report.reused = true;
        let entry = known.entry.as_ref();
        self.report.status = entry.and_then(|entry| entry.status.clone());
        entry.map_or(Outcome::Complete, |entry| outcome_from_state(entry.state))
    }

    /// The task's folder, once no other process has it, and what `read` says of it then.
    pub(super) async fn acquire_lease<T: Send + 'static>(
        &self,
        read: fn(&TaskLease) -> Result<T, storage::Error>,
    ) -> Result<(Arc<TaskLease>, T), TaskAbort> {
        let started = Instant::now();
        let mut is_reported = false;
        loop {
            let folder = self.folder.clone();
            let held = move || folder.try_lease()?.map(|held| read(&held).map(|known| (held, known))).transpose();
            if let Some(held) = blocking(held).await? {
                return Ok(held);
            }
            if !is_reported && started.elapsed() >= REPORT_AFTER {
                is_reported = true;
                self.job.emitter.emit(Event::Warning(self.folder.waiting_message()));
            }
            self.job.stop.run_until_cancelled(tokio::time::sleep(LOCK_RETRY_DELAY)).await.ok_or(TaskAbort::Interrupted)?;
        }
    }

    fn record_abort(&mut self, stop: TaskAbort) -> Outcome {
        let (why, is_told_for_all) = match stop {
            TaskAbort::Gateway(gateway::Error::NotFound) => return Outcome::NotFound,
            TaskAbort::Gateway(error) => (error.to_string(), false),
            TaskAbort::Store(error) => {
                let error = self.job.downloader.disk.handle_error(error.into());
                (error.to_string(), error.ends_run())
            }
            TaskAbort::Disk(error) => (error.to_string(), true),
            TaskAbort::Interrupted => (transfer::Error::Stopped.to_string(), false),
            TaskAbort::KeyRefused => ("not asked: the gateway refuses the API key".to_owned(), true),
        };
        (self.report.error, self.report.is_run_wide) = (Some(why), is_told_for_all);
        Outcome::Error
    }
}

pub(super) fn outcome_from_state(state: State) -> Outcome {
    match state {
        State::Complete => Outcome::Complete,
        State::Partial => Outcome::Partial,
        State::Incomplete => Outcome::Incomplete,
        State::Failed => Outcome::Failed,
    }
}
