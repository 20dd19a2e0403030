//! A plan carried out: the assets of one task, fetched all at once, and what is recorded of them.
//!
//! A dead link is asked for anew, once for all assets of the task. What could not be had is told, and
//! takes nothing away of what is here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::OnceCell;

use super::ArchiveJob;
use super::task_job::{EntryTotals, TaskAbort, TaskJob, outcome_from_state};
use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, AssetSelector};
use crate::domain::event::{Event, FileReport, Outcome};
use crate::domain::manifest::{AssetError, FileEntry, TaskEntry};
use crate::domain::merge::{self, FetchResults};
use crate::domain::plan::{self, Action};
use crate::domain::task::Task;
use crate::gateway::{MemoryPermit, Purpose, TaskResponse};
use crate::storage::{self, StagedFile, TaskLease, TaskSnapshot, blocking};
use crate::transfer::{self, DownloadJob, Fetched};

/// Assets of one task that are under way at once: each takes memory before it has a slot.
const MAX_CONCURRENT_ASSETS: usize = 1024;

impl TaskJob {
    /// Fetches what the plan says and records what came of it.
    pub(super) async fn download_and_commit(
        &mut self,
        task: Task,
        known: TaskSnapshot,
        held: Arc<TaskLease>,
    ) -> Result<Outcome, TaskAbort> {
        let (mut results, only) = self.fetch_assets(&task, &known, &held).await?;
        self.warn_about_changed_bytes(&mut results, known.recorded_files());
        let not_replaced = not_replaced(&results);
        let is_less = known.entry.as_ref().is_some_and(|known| merge::is_less_complete(&task, known));
        let mut entry = merge::merge(self.id().as_str(), known.entry.as_ref(), task, results, self.job.wanted, Timestamp::now());
        if let Some(before) = known.entry.as_ref().filter(|_| self.repair.is_some()) {
            // What was not lost is not touched.
            (entry.text, entry.text_path) = (before.text.clone(), before.text_path.clone());
        }
        if let Some(meta) = self.meta.take() {
            entry.meta = Some(meta);
        }
        let is_news = known.is_from_root()
            || !known.is_intact()
            || known.entry.as_ref().is_none_or(|before| !entry.eq_ignoring_archived_at(before));
        let before = known.entry;
        let (state, noted) = (outcome_from_state(entry.state), EntryTotals::from_entry(&entry));
        let errors = Self::errors(&entry, not_replaced);
        if is_news {
            let fetched = only.as_ref().map(|only| only.entry().clone());
            // Whatever comes of it, the manifest may have its name by then.
            self.has_changed = true;
            held.commit_task(entry, before, only).await?;
            if let Some(file) = fetched {
                self.job.downloader.disk.reset_faults();
                self.report_file(&file);
            }
        } else {
            let tidied = move || {
                held.cleanup(&entry);
                Ok::<_, storage::Error>(())
            };
            blocking(tidied).await?;
        }
        self.apply_totals(noted);
        (self.report.errors, self.report.names_less) = (errors, is_less);
        Ok(match state {
            // The archive is as whole as before, but this run did not get what it was sent for.
            Outcome::Complete | Outcome::Partial if self.report.has_problems() => Outcome::Incomplete,
            other => other,
        })
    }

    async fn fetch_assets(
        &mut self,
        task: &Task,
        known: &TaskSnapshot,
        held: &Arc<TaskLease>,
    ) -> Result<(FetchResults, Option<StagedFile>), TaskAbort> {
        let ours = known.recorded_files().iter().chain(&known.present_files).filter_map(FileEntry::name).map(str::to_owned);
        let ours: Arc<HashSet<String>> = Arc::new(ours.collect());
        let modified = task.finish_time.filter(|_| self.job.mtime).and_then(|time| SystemTime::try_from(time).ok());
        let lost: Option<HashSet<AssetKey>> = self.repair.as_ref().map(|lost| lost.keys.iter().copied().collect());
        let is_lost = |slot: AssetKey| lost.as_ref().is_some_and(|lost| lost.contains(&slot));
        let here: Vec<FileEntry> = known.present_files.iter().filter(|file| !is_lost(file.key())).cloned().collect();
        let mut results = FetchResults { kept: here.clone(), ..FetchResults::default() };
        let fresh = OnceCell::new();
        let mut orders = Vec::new();
        let planned = plan::plan(task, known.recorded_files(), &here, self.job.wanted, self.job.force);
        // The one file of a new task is committed with the task.
        let is_only = known.entry.is_none() && here.is_empty() && planned.len() == 1;
        let mut only = None;
        for item in planned {
            let is_in_scope = lost.as_ref().is_none_or(|lost| item.asset.selector().matches_any(lost));
            results.has_skipped |= item.action == Action::Skip || (item.action == Action::Fetch && !is_in_scope);
            if item.action == Action::Fetch && is_in_scope {
                results.attempted.insert(item.asset.selector());
                let (held, ours) = (Arc::clone(held), Arc::clone(&ours));
                orders.push(DownloadJob {
                    task: self.id().clone(),
                    asset: item.asset.clone(),
                    lease: held,
                    replaceable: ours,
                    modified,
                });
            }
        }
        let job = Arc::clone(&self.job);
        let fetch = |order| fetch_one(Arc::clone(&job), order, &fresh, is_only);
        let mut under_way = stream::iter(orders).map(fetch).buffer_unordered(MAX_CONCURRENT_ASSETS);
        let mut stop = None;
        while let Some((asset, fetched)) = under_way.next().await {
            match fetched {
                Ok(AssetOutcome::Committed(file)) => {
                    self.report_file(&file);
                    results.fetched.push(*file);
                }
                Ok(AssetOutcome::Uncommitted(staged)) => {
                    results.fetched.push(staged.entry().clone());
                    only = Some(*staged);
                }
                Ok(AssetOutcome::NotWanted) => results.has_skipped = true,
                Err(transfer::Error::Stopped) => stop = Some(TaskAbort::Interrupted),
                Err(error) if error.ends_run() => stop = Some(TaskAbort::Disk(error)),
                Err(error) => {
                    let told = self.job.gateway.redacted_message(&error);
                    results.errors.push(AssetError::new(
                        asset.key(None),
                        asset.recorded_url(),
                        error.code(),
                        error.http_status(),
                        told,
                    ));
                }
            }
        }
        stop.map_or(Ok((results, only)), Err)
    }

    /// Marks files that `repair` got with other bytes than were recorded: they are taken all the same.
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

    fn report_file(&mut self, file: &FileEntry) {
        self.report.fetched += 1;
        self.report.fetched_bytes += file.size();
        let path = self.display_path().join(file.path());
        let report = FileReport { task: self.id().clone(), entry: file.clone(), path: path.display().to_string() };
        self.job.emitter.emit(Event::File(Box::new(report)));
    }

    /// The errors of assets that are missing, then of those that could not be replaced.
    fn errors(entry: &TaskEntry, not_replaced: Vec<AssetError>) -> Vec<AssetError> {
        let recorded: HashSet<AssetKey> = entry.errors.iter().map(AssetError::key).collect();
        let not_replaced = not_replaced.into_iter().filter(|error| !recorded.contains(&error.key()));
        entry.errors.iter().cloned().chain(not_replaced).collect()
    }
}

/// The errors of assets that are here all the same: they are told, and not recorded.
fn not_replaced(results: &FetchResults) -> Vec<AssetError> {
    let here: HashSet<AssetKey> = results.kept.iter().chain(&results.fetched).map(FileEntry::key).collect();
    results.errors.iter().filter(|error| here.contains(&error.key())).cloned().collect()
}

/// What came of an asset.
enum AssetOutcome {
    /// A file under its final name.
    Committed(Box<FileEntry>),
    /// The one file of a new task, still to be committed.
    Uncommitted(Box<StagedFile>),
    NotWanted,
}

/// One asset, committed unless it is the `only` one.
async fn fetch_one(
    job: Arc<ArchiveJob>,
    order: DownloadJob,
    fresh: &OnceCell<RefreshedAssets>,
    is_only: bool,
) -> (Asset, Result<AssetOutcome, transfer::Error>) {
    let held = Arc::clone(&order.lease);
    let (asset, fetched) = fetch_with_fresh_link(&job, order, fresh).await;
    let come = match fetched {
        Ok(Fetched::File(staged)) if is_only => Ok(AssetOutcome::Uncommitted(staged)),
        Ok(Fetched::File(staged)) => {
            let disk = &job.downloader.disk;
            let committed = held.publish(*staged).await.inspect(|_| disk.reset_faults());
            committed.map(|file| AssetOutcome::Committed(Box::new(file))).map_err(|error| disk.handle_error(error.into()))
        }
        Ok(Fetched::NotWanted) => Ok(AssetOutcome::NotWanted),
        Err(error) => Err(error),
    };
    (asset, come)
}

/// The assets of a second answer, by kind and number, and their room.
type RefreshedAssets = (HashMap<AssetSelector, Asset>, Option<MemoryPermit>);

/// One asset; a dead link is asked for anew once, for all assets of the task together.
async fn fetch_with_fresh_link(
    job: &Arc<ArchiveJob>,
    order: DownloadJob,
    fresh: &OnceCell<RefreshedAssets>,
) -> (Asset, Result<Fetched, transfer::Error>) {
    let dead = match job.downloader.fetch(order.clone()).await {
        Err(error) if error.is_dead_link() => error,
        done => return (order.asset, done),
    };
    let by_number = |asset: Asset| (asset.selector(), asset);
    let assets =
        |answered: TaskResponse| (answered.task.assets.into_iter().map(by_number).collect(), Some(answered.memory_permit));
    // Without an answer the dead link stays dead, and is told as that.
    let ask = || async { job.query(&order.task, Purpose::FreshLinks).await.map(assets).unwrap_or_default() };
    let Some((assets, _)) = job.stop.run_until_cancelled(fresh.get_or_init(ask)).await else {
        return (order.asset, Err(transfer::Error::Stopped));
    };
    match assets.get(&order.asset.selector()).filter(|asset| asset.url != order.asset.url) {
        Some(asset) => (asset.clone(), job.downloader.fetch(DownloadJob { asset: asset.clone(), ..order }).await),
        None => (order.asset, Err(dead)),
    }
}
