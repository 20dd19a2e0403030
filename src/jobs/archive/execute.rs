//! Carries out a plan: fetches the assets of one task, all at once, and commits the task.
//!
//! An asset that could not be saved is reported, and removes nothing that the archive has. When the gateway does not answer about
//! the links, the rest is committed, and with `--wait` the task is checked again later.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use serde_json::Map;

use super::task_end::{TaskAbort, outcome_from_state};
use super::task_job::{EntryTotals, TaskJob};
use super::task_links::TaskLinks;
use crate::domain::asset::Asset;
use crate::domain::asset_key::AssetKey;
use crate::domain::code::AssetErrorCode;
use crate::domain::event::{Event, FileReport, Outcome};
use crate::domain::manifest::{AssetError, FileEntry, TaskEntry};
use crate::domain::merge::{self, FetchResults};
use crate::domain::plan::{self, Action};
use crate::domain::task::Task;
use crate::storage::{self, CommitError, Committed, StagedFile, TaskCommit, TaskLease, TaskSnapshot};
use crate::transfer::{self, DownloadJob, Fetched};

/// Assets of one task that are fetched at once: each takes memory before it has a slot.
const MAX_CONCURRENT_ASSETS: usize = 1024;

impl TaskJob {
    /// Fetches what the plan says and commits the result.
    pub(super) async fn download_and_commit(
        &mut self,
        task: Task,
        snapshot: TaskSnapshot,
        lease: TaskLease,
    ) -> Result<Outcome, TaskAbort> {
        let (mut results, unpublished) = self.fetch_assets(&task, &snapshot, &lease).await?;
        self.warn_about_changed_bytes(&mut results, snapshot.recorded_files());
        let not_replaced = not_replaced(&results);
        let is_less = snapshot.entry.as_ref().is_some_and(|before| merge::is_less_complete(&task, before));
        let mut entry =
            merge::merge(self.id().as_str(), snapshot.entry.as_ref(), task, results, self.job.wanted, Timestamp::now());
        if let Some(before) = snapshot.entry.as_ref().filter(|_| self.repair.is_some()) {
            // A repair changes nothing but what was damaged or missing.
            (entry.text, entry.text_path) = (before.text.clone(), before.text_path.clone());
        }
        if let Some(meta) = self.new_meta(entry.meta.as_ref()) {
            entry.meta = Some(meta);
        }
        entry.update_origin();
        // Now it is recorded.
        (self.meta, self.meta_defaults) = (None, Map::new());
        let is_changed = snapshot.is_from_root()
            || !snapshot.is_intact()
            || snapshot.entry.as_ref().is_none_or(|before| !entry.eq_ignoring_archived_at(before));
        self.report.names_less = is_less;
        if !is_changed {
            let facts = EntryFacts::new(&entry, snapshot.entry.as_ref(), &not_replaced);
            lease.cleanup(entry).await?;
            return Ok(self.report_entry(facts));
        }
        let Committed { entry, before, .. } =
            match self.commit(&lease, TaskCommit { entry, before: snapshot.entry, unpublished }).await {
                Err(CommitError { error, unwritten: Some(commit) }) => {
                    let commit = self.without_unwritten_files(*commit, error)?;
                    self.commit(&lease, commit).await?
                }
                committed => committed?,
            };
        Ok(self.report_entry(EntryFacts::new(&entry, before.as_ref(), &not_replaced)))
    }

    /// The commit of a task whose unpublished files could not be written: they failed as if their downloads had.
    fn without_unwritten_files(&self, mut commit: TaskCommit, error: storage::Error) -> Result<TaskCommit, TaskAbort> {
        let error = self.job.downloader.disk.handle_error(error.into());
        if error.ends_run() {
            return Err(TaskAbort::disk(&error));
        }
        for staged in std::mem::take(&mut commit.unpublished) {
            let file = staged.entry();
            let error = AssetError::new(file.key(), file.url.clone(), error.code(), None, error.to_string());
            commit.entry.replace_file_by_error(error);
        }
        Ok(commit)
    }

    /// Puts what the archive has now into the report.
    fn report_entry(&mut self, EntryFacts { outcome, totals, has_new_content, errors }: EntryFacts) -> Outcome {
        self.apply_totals(totals);
        self.report.has_new_content |= has_new_content;
        self.report.errors = errors;
        match outcome {
            // The archive is as complete as before, but this run did not save all that it was asked for.
            Outcome::Complete | Outcome::Partial if self.report.has_problems() => Outcome::Incomplete,
            other => other,
        }
    }

    /// Commits the task, and reports the files that the commit published.
    async fn commit(&mut self, lease: &TaskLease, commit: TaskCommit) -> Result<Committed, CommitError> {
        let fetched_bytes: Vec<u64> = commit.unpublished.iter().map(StagedFile::fetched_bytes).collect();
        // Also a commit that fails may have written the manifest.
        self.has_changed = true;
        let has_disk_error = commit.entry.errors.iter().any(|error| error.code() == Some(AssetErrorCode::Disk));
        // Of a bucket it is an upload, which needs room in the spool.
        let committing = (!self.job.storage.is_bucket()).then(|| self.job.committing.begin());
        let committed = lease.commit(commit).await;
        drop(committing);
        let committed = committed?;
        if !has_disk_error {
            self.job.downloader.disk.reset_faults();
        }
        for (file, fetched_bytes) in committed.published.iter().zip(fetched_bytes) {
            self.report_file(file, fetched_bytes);
        }
        Ok(committed)
    }

    /// Fetches what the plan says. The files that the commit still has to publish come with the results.
    async fn fetch_assets(
        &mut self,
        task: &Task,
        snapshot: &TaskSnapshot,
        lease: &TaskLease,
    ) -> Result<(FetchResults, Vec<StagedFile>), TaskAbort> {
        let modified = task.finish_time.filter(|_| self.job.mtime).and_then(|time| SystemTime::try_from(time).ok());
        let scope: Option<HashSet<AssetKey>> = self.repair.as_ref().map(|repair| repair.keys.iter().copied().collect());
        let is_lost = |key: AssetKey| scope.as_ref().is_some_and(|scope| scope.contains(&key));
        let present: Vec<FileEntry> = snapshot.present_files.iter().filter(|file| !is_lost(file.key())).cloned().collect();
        let mut results = FetchResults { kept: present.clone(), ..FetchResults::default() };
        let mut downloads = Vec::new();
        let planned = plan::plan(task, snapshot.recorded_files(), &present, self.job.wanted, self.job.force);
        let stems = Arc::new(plan::file_stems(task, snapshot.recorded_files(), &present));
        // The one file of a new task is published by the commit.
        let is_only = snapshot.entry.is_none() && present.is_empty() && planned.len() == 1;
        for item in planned {
            let is_in_scope = scope.as_ref().is_none_or(|scope| item.asset.selector().matches_any(scope));
            results.has_skipped |= item.action == Action::Skip || (item.action == Action::Fetch && !is_in_scope);
            if item.action == Action::Fetch && is_in_scope {
                results.attempted.insert(item.asset.selector());
                let (task, asset) = (self.id().clone(), item.asset.clone());
                downloads.push(DownloadJob { task, asset, parts: lease.parts(), stems: Arc::clone(&stems), modified });
            }
        }
        let (links, mut unpublished) = (TaskLinks::new(Arc::clone(&self.job), self.is_new), Vec::new());
        let publish_to = (!is_only).then_some(lease);
        let fetch = |download| Box::pin(fetch_one(&links, download, publish_to));
        let mut fetching = stream::iter(downloads).map(fetch).buffer_unordered(MAX_CONCURRENT_ASSETS);
        let mut abort = None;
        while let Some((asset, fetched)) = fetching.next().await {
            match fetched {
                Ok(AssetOutcome::Published(file, fetched_bytes)) => {
                    self.report_file(&file, fetched_bytes);
                    results.fetched.push(*file);
                }
                Ok(AssetOutcome::Staged(file)) => {
                    results.fetched.push(file.entry().clone());
                    unpublished.push(*file);
                }
                Ok(AssetOutcome::NotWanted) => results.has_skipped = true,
                Err(transfer::Error::Stopped) => abort = Some(TaskAbort::Interrupted),
                Err(error) if error.ends_run() => abort = Some(TaskAbort::disk(&error)),
                Err(error) => {
                    let message = self.job.gateway.redacted_message(&error);
                    let (url, code, status) = (asset.recorded_url(), error.code(), error.http_status());
                    results.errors.push(AssetError::new(asset.key(None), url, code, status, message));
                }
            }
        }
        drop(fetching);
        self.missed_answer = links.missed_answer();
        abort.map_or(Ok((results, unpublished)), Err)
    }

    /// Adds a warning to files that `repair` fetched with other bytes than were recorded. They are saved all the same.
    fn warn_about_changed_bytes(&self, results: &mut FetchResults, recorded: &[FileEntry]) {
        if self.repair.is_none() {
            return;
        }
        let recorded: HashMap<AssetKey, &FileEntry> = recorded.iter().map(|before| (before.key(), before)).collect();
        for file in &mut results.fetched {
            let before = recorded.get(&file.key());
            if before.is_some_and(|before| before.sha256() != file.sha256()) {
                file.warnings.push("repaired with other bytes than were recorded".to_owned());
            }
        }
    }

    fn report_file(&mut self, file: &FileEntry, fetched_bytes: u64) {
        self.report.fetched += 1;
        self.report.has_new_content = true;
        self.report.fetched_bytes += fetched_bytes;
        let path = self.job.storage.file_path(&self.display_path(), file.path());
        let report = FileReport { task: self.id().clone(), entry: file.clone(), path };
        self.job.emitter.emit(Event::File(Box::new(report)));
    }
}

/// What a report says of an entry.
struct EntryFacts {
    outcome: Outcome,
    totals: EntryTotals,
    has_new_content: bool,
    errors: Vec<AssetError>,
}

impl EntryFacts {
    /// The errors of assets that are missing come before those that could not be replaced.
    fn new(entry: &TaskEntry, before: Option<&TaskEntry>, not_replaced: &[AssetError]) -> Self {
        let recorded: HashSet<AssetKey> = entry.errors.iter().map(AssetError::key).collect();
        let not_replaced = not_replaced.iter().filter(|error| !recorded.contains(&error.key()));
        Self {
            outcome: outcome_from_state(entry.state),
            totals: EntryTotals::from_entry(entry),
            has_new_content: has_new_content(entry, before),
            errors: entry.errors.iter().chain(not_replaced).cloned().collect(),
        }
    }
}

/// Whether `entry` has a file or a text that `before` does not have. Its files may have been fetched by a run that was killed.
fn has_new_content(entry: &TaskEntry, before: Option<&TaskEntry>) -> bool {
    let files =
        |entry: &'_ TaskEntry| entry.files.iter().map(|file| (file.path().to_owned(), file.sha256().to_string())).collect();
    let recorded: HashSet<_> = before.map(files).unwrap_or_default();
    let has_new_text = entry.text.is_some() && before.is_none_or(|before| entry.text != before.text);
    has_new_text || !files(entry).is_subset(&recorded)
}

/// The errors of assets that the archive has all the same. They are reported and not recorded.
fn not_replaced(results: &FetchResults) -> Vec<AssetError> {
    let present: HashSet<AssetKey> = results.kept.iter().chain(&results.fetched).map(FileEntry::key).collect();
    results.errors.iter().filter(|error| present.contains(&error.key())).cloned().collect()
}

/// The result for one asset.
enum AssetOutcome {
    /// A file under its final name, and how many of its bytes this run fetched.
    Published(Box<FileEntry>, u64),
    /// A file that the commit publishes.
    Staged(Box<StagedFile>),
    /// It turned out to be of a kind that was not asked for.
    NotWanted,
}

/// Fetches one asset and publishes it with the lease, when there is one to publish to.
async fn fetch_one(
    links: &TaskLinks,
    download: DownloadJob,
    publish_to: Option<&TaskLease>,
) -> (Asset, Result<AssetOutcome, transfer::Error>) {
    let (asset, fetched) = links.fetch(download).await;
    let outcome = match (fetched, publish_to) {
        (Ok(Fetched::File(staged)), Some(lease)) => {
            let disk = &links.job.downloader.disk;
            let fetched_bytes = staged.fetched_bytes();
            let published = lease.publish(*staged).await.inspect(|_| disk.reset_faults());
            let outcome = published.map(|file| AssetOutcome::Published(Box::new(file), fetched_bytes));
            outcome.map_err(|error| disk.handle_error(error.into()))
        }
        (Ok(Fetched::File(staged)), None) => Ok(AssetOutcome::Staged(staged)),
        (Ok(Fetched::NotWanted), _) => Ok(AssetOutcome::NotWanted),
        (Err(error), _) => Err(error),
    };
    (asset, outcome)
}
