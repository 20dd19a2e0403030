//! One task's way: what is here (a look, taken before the others), ask, lock, plan, fetch, record.
//!
//! Whatever happens on the way, it ends in one report, and the archive keeps what it has: a task
//! that now fails, is unknown or names less leaves its manifest as it was.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::{Job, Lost, Request, dry_run};
use crate::event::{Event, Outcome, TaskReport};
use crate::gateway::{self, Answered, Purpose};
use crate::kind::Slot;
use crate::manifest::{FileEntry, State, TaskEntry};
use crate::plan;
use crate::store::{self, Folder, Held, Known, REPORT_AFTER, blocking};
use crate::task::{Stage, Task, TaskId};
use crate::transfer;

/// How long to wait before looking at a lock again that another process holds.
const GLANCE: Duration = Duration::from_millis(100);

/// One task on its way.
pub(super) struct Course {
    pub(super) job: Arc<Job>,
    pub(super) folder: Folder,
    pub(super) meta: Option<Map<String, Value>>,
    pub(super) lost: Option<Lost>,
    /// What the look saw, until the way goes on from it.
    seen: Known,
    /// What only the root's manifest remembers of the task, until its own is written again.
    pub(super) recalled: Option<Known>,
    /// Told at the end; filled on the way.
    pub(super) report: TaskReport,
    /// Whether the task's folder is another than before.
    pub(super) has_changed: bool,
}

/// What a report says of an entry.
pub(super) struct Noted {
    files: usize,
    bytes: u64,
    has_text: bool,
}

impl Noted {
    pub(super) fn of(entry: &TaskEntry) -> Self {
        Self { files: entry.files.len(), bytes: entry.bytes(), has_text: entry.text.is_some() }
    }
}

/// Why a task went no further.
pub(super) enum Stop {
    Gateway(gateway::Error),
    Store(store::Error),
    /// The asking has ended for all.
    NotAsked,
    /// The disk takes no more; told once, for all.
    Disk(transfer::Error),
    /// The run was interrupted.
    Interrupted,
}

impl From<store::Error> for Stop {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<gateway::Error> for Stop {
    fn from(error: gateway::Error) -> Self {
        Self::Gateway(error)
    }
}

impl Course {
    pub(super) fn new(job: Arc<Job>, request: Request) -> Self {
        let folder = job.archive.folder(&request.id);
        Self {
            job,
            folder,
            meta: request.meta,
            lost: request.lost,
            seen: Known::default(),
            recalled: None,
            report: TaskReport::bare(request.id, Outcome::Error),
            has_changed: false,
        }
    }

    /// What it started from, to go the way again.
    pub(super) fn into_request(self) -> Request {
        Request { id: self.report.task, meta: self.meta, lost: self.lost }
    }

    /// Looks at what is here; how the task ended, when that is all that there is to do. Blocks.
    pub(super) fn look(&mut self) -> Option<TaskReport> {
        match self.folder.read() {
            Ok(known) => self.seen = known,
            Err(error) => {
                self.report.outcome = self.stopped(error.into());
                return Some(self.take_report());
            }
        }
        let entry = self.seen.entry.as_ref();
        let has_news = self.meta.is_some() && entry.is_some_and(|entry| entry.meta != self.meta);
        if has_news || self.seen.has_leftovers() || !self.is_settled(&self.seen) {
            return None;
        }
        let known = std::mem::take(&mut self.seen);
        self.note(known.entry.as_ref());
        self.report.outcome = self.reused(&known);
        Some(self.take_report())
    }

    fn take_report(&mut self) -> TaskReport {
        let bare = TaskReport::bare(self.id().clone(), Outcome::Error);
        std::mem::replace(&mut self.report, bare)
    }

    /// Goes all the way; how the task ended, unless the run did before.
    pub(super) async fn run(&mut self) -> Option<TaskReport> {
        let gone = self.go().await;
        let gone = match (gone, self.wrap_up().await) {
            (Ok(_) | Err(Stop::Interrupted), Err(stop)) => Err(stop),
            (gone, _) => gone,
        };
        self.report.outcome = match gone {
            Ok(outcome) => outcome,
            Err(Stop::Interrupted) => return None,
            Err(stop) => self.stopped(stop),
        };
        Some(self.take_report())
    }

    async fn go(&mut self) -> Result<Outcome, Stop> {
        let mut known = std::mem::take(&mut self.seen);
        self.note(known.entry.as_ref());
        if let Some(outcome) = self.restore_text(&known).await? {
            return Ok(outcome);
        }
        if self.is_settled(&known) {
            self.tidy(&known).await?;
            return Ok(self.reused(&known));
        }
        self.recalled = known.is_recalled().then(|| known.clone());
        // It is read again under the lock; until then many tasks may wait.
        known.forget_answer();
        // The room ends with the last copy of anything from the answer.
        let Answered { task, room: _room } = self.ask().await?;
        self.report.status.clone_from(&task.status);
        if let Some(outcome) = self.nothing_to_take(&task, known.entry.as_ref()) {
            return Ok(outcome);
        }
        if self.job.dry_run {
            return Ok(dry_run::tell(&self.job, self.id(), &self.shown(), &task, &known));
        }
        let (held, known) = self.hold(Held::recover).await?;
        if self.is_settled(&known) || self.is_found_again(&known, &held).await? {
            // Another process has been here in the meantime.
            self.note(known.entry.as_ref());
            return Ok(self.reused(&known));
        }
        self.archive(task, known, held).await
    }

    /// Whether nothing of what `repair` found lost is lost any more, now that the lock is held.
    async fn is_found_again(&mut self, known: &Known, held: &Arc<Held>) -> Result<bool, Stop> {
        let Some(mut lost) = self.lost.take() else { return Ok(false) };
        let (recorded, holder) = (known.recorded().to_vec(), Arc::clone(held));
        let still = blocking(move || {
            let recorded: HashMap<Slot, &FileEntry> = recorded.iter().map(|entry| (entry.slot(), entry)).collect();
            let mut still = Vec::new();
            for slot in std::mem::take(&mut lost.slots) {
                let entry = recorded.get(&slot);
                if !entry.map_or(Ok(false), |entry| holder.has(entry))? {
                    still.push(slot);
                }
            }
            lost.slots = still;
            Ok::<_, store::Error>(lost)
        });
        let still = still.await?;
        let is_all_here = still.slots.is_empty();
        self.lost = Some(still);
        Ok(is_all_here)
    }

    pub(super) fn id(&self) -> &TaskId {
        &self.report.task
    }

    fn is_settled(&self, known: &Known) -> bool {
        let Job { wanted, force, skip_failed, .. } = *self.job;
        let is_enough = |entry: &TaskEntry| {
            // To fetch everything again still leaves alone what is asked to be left alone.
            (!force && plan::is_settled(entry, wanted)) || (skip_failed && plan::is_given_up(entry, wanted))
        };
        self.lost.is_none() && !known.is_recalled() && known.is_whole() && known.entry.as_ref().is_some_and(is_enough)
    }

    /// The task's folder, as the user wrote the archive.
    pub(super) fn shown(&self) -> PathBuf {
        self.job.archive.shown_folder(&self.job.shown, &self.folder)
    }

    /// Takes into the report what the archive has.
    pub(super) fn note(&mut self, entry: Option<&TaskEntry>) {
        entry.map(Noted::of).into_iter().for_each(|noted| self.take_note(noted));
    }

    pub(super) fn take_note(&mut self, Noted { files, bytes, has_text }: Noted) {
        self.report.path = Some(self.shown().display().to_string());
        (self.report.files, self.report.bytes, self.report.has_text) = (files, bytes, has_text);
    }

    async fn ask(&self) -> Result<Answered, Stop> {
        if self.job.refused.get().is_some() {
            return Err(Stop::NotAsked);
        }
        self.job.downloader.disk.check().map_err(Stop::Disk)?;
        let answer = tokio::select! {
            // Before all else what has come.
            biased;
            answer = self.job.ask(self.id(), Purpose::Task) => answer,
            () = self.job.stop.cancelled() => return Err(Stop::Interrupted),
            () = self.job.asking_ended.cancelled() => return Err(Stop::NotAsked),
        };
        match answer {
            Err(gateway::Error::Refused(_)) => Err(Stop::NotAsked),
            answer => Ok(answer?),
        }
    }

    /// How the task ends when its answer brings nothing that the archive would take.
    fn nothing_to_take(&mut self, task: &Task, known: Option<&TaskEntry>) -> Option<Outcome> {
        match task.stage {
            Stage::Pending => Some(Outcome::Pending),
            Stage::Finished if task.is_empty() => Some(Outcome::Empty),
            Stage::Finished => None,
            Stage::Failed => {
                self.report.error.clone_from(&task.err_reason);
                known.is_some_and(|known| known.state != State::Failed).then_some(Outcome::Failed)
            }
        }
    }

    pub(super) fn reused(&mut self, known: &Known) -> Outcome {
        self.report.reused = true;
        let entry = known.entry.as_ref();
        self.report.status = entry.and_then(|entry| entry.status.clone());
        entry.map_or(Outcome::Complete, |entry| outcome(entry.state))
    }

    /// The task's folder, once no other process has it, and what `read` says of it then.
    pub(super) async fn hold<T: Send + 'static>(
        &self,
        read: fn(&Held) -> Result<T, store::Error>,
    ) -> Result<(Arc<Held>, T), Stop> {
        let started = Instant::now();
        let mut is_reported = false;
        loop {
            let folder = self.folder.clone();
            let held = move || folder.try_hold()?.map(|held| read(&held).map(|known| (held, known))).transpose();
            if let Some(held) = blocking(held).await? {
                return Ok(held);
            }
            if !is_reported && started.elapsed() >= REPORT_AFTER {
                is_reported = true;
                self.job.emitter.emit(Event::Warning(self.folder.waiting_message()));
            }
            self.job.stop.run_until_cancelled(tokio::time::sleep(GLANCE)).await.ok_or(Stop::Interrupted)?;
        }
    }

    fn stopped(&mut self, stop: Stop) -> Outcome {
        let (why, is_told_for_all) = match stop {
            Stop::Gateway(gateway::Error::NotFound) => return Outcome::NotFound,
            Stop::Gateway(error) => (error.to_string(), false),
            Stop::Store(error) => {
                let error = self.job.downloader.disk.note(error.into());
                (error.to_string(), error.is_told_for_all())
            }
            Stop::Disk(error) => (error.to_string(), true),
            Stop::Interrupted => (transfer::Error::Stopped.to_string(), false),
            Stop::NotAsked => ("not asked: the gateway refuses the API key".to_owned(), true),
        };
        (self.report.error, self.report.is_told_for_all) = (Some(why), is_told_for_all);
        Outcome::Error
    }
}

pub(super) fn outcome(state: State) -> Outcome {
    match state {
        State::Complete => Outcome::Complete,
        State::Partial => Outcome::Partial,
        State::Incomplete => Outcome::Incomplete,
        State::Failed => Outcome::Failed,
    }
}
