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

use super::Job;
use super::course::{Course, Noted, Stop, outcome};
use crate::asset::Asset;
use crate::event::{Event, FileReport, Outcome};
use crate::gateway::{Answered, Purpose, Room};
use crate::kind::{Kind, Slot};
use crate::manifest::{AssetError, FileEntry, TaskEntry};
use crate::plan::{self, Action};
use crate::record::{self, Results};
use crate::secret::shown_url;
use crate::store::{self, Held, Known, Staged, blocking};
use crate::task::Task;
use crate::transfer::{self, Fetched, Order};

/// Assets of one task that are under way at once: each takes memory before it has a slot.
const MOST_UNDER_WAY: usize = 1024;

impl Course {
    /// Fetches what the plan says and records what came of it.
    pub(super) async fn archive(&mut self, task: Task, known: Known, held: Arc<Held>) -> Result<Outcome, Stop> {
        let (mut results, only) = self.fetch(&task, &known, &held).await?;
        self.compare(&mut results, known.recorded());
        let not_replaced = not_replaced(&results);
        let is_less = known.entry.as_ref().is_some_and(|known| record::names_less(&task, known));
        let mut entry =
            record::record(self.id().as_str(), known.entry.as_ref(), task, results, self.job.wanted, Timestamp::now());
        if let Some(before) = known.entry.as_ref().filter(|_| self.lost.is_some()) {
            // What was not lost is not touched.
            (entry.text, entry.text_path) = (before.text.clone(), before.text_path.clone());
        }
        if let Some(meta) = self.meta.take() {
            entry.meta = Some(meta);
        }
        let is_news =
            known.is_recalled() || !known.is_whole() || known.entry.as_ref().is_none_or(|before| !entry.says_the_same_as(before));
        let before = known.entry;
        let (state, noted) = (outcome(entry.state), Noted::of(&entry));
        let problems = Self::problems(&entry, &not_replaced, is_less);
        if is_news {
            let fetched = only.as_ref().map(|only| only.entry().clone());
            // Whatever comes of it, the manifest may have its name by then.
            self.has_changed = true;
            held.record(entry, before, only).await?;
            if let Some(file) = fetched {
                self.job.downloader.disk.took();
                self.arrived(&file);
            }
        } else {
            let tidied = move || {
                held.tidy(&entry);
                Ok::<_, store::Error>(())
            };
            blocking(tidied).await?;
        }
        self.take_note(noted);
        self.report.problems = problems;
        Ok(match state {
            // The archive is as whole as before, but this run did not get what it was sent for.
            Outcome::Complete | Outcome::Partial if !self.report.problems.is_empty() => Outcome::Incomplete,
            other => other,
        })
    }

    async fn fetch(&mut self, task: &Task, known: &Known, held: &Arc<Held>) -> Result<(Results, Option<Staged>), Stop> {
        let ours = known.recorded().iter().chain(&known.here).filter_map(FileEntry::name).map(str::to_owned);
        let ours: Arc<HashSet<String>> = Arc::new(ours.collect());
        let modified = task.finish_time.filter(|_| self.job.mtime).and_then(|time| SystemTime::try_from(time).ok());
        let lost: Option<HashSet<Slot>> = self.lost.as_ref().map(|lost| lost.slots.iter().copied().collect());
        let is_lost = |slot: Slot| lost.as_ref().is_some_and(|lost| lost.contains(&slot));
        let here: Vec<FileEntry> = known.here.iter().filter(|file| !is_lost(file.slot())).cloned().collect();
        let mut results = Results { kept: here.clone(), ..Results::default() };
        let fresh = OnceCell::new();
        let mut orders = Vec::new();
        let planned = plan::plan(task, known.recorded(), &here, self.job.wanted, self.job.force);
        // The one file of a new task is committed with the task.
        let is_only = known.entry.is_none() && here.is_empty() && planned.len() == 1;
        let mut only = None;
        for item in planned {
            let is_in_scope = lost.as_ref().is_none_or(|lost| item.asset.may_be_among(lost));
            results.left_out |= item.action == Action::LeaveOut || (item.action == Action::Fetch && !is_in_scope);
            if item.action == Action::Fetch && is_in_scope {
                results.tried.insert((item.asset.kind, item.asset.index));
                let (held, ours) = (Arc::clone(held), Arc::clone(&ours));
                orders.push(Order { task: self.id().clone(), asset: item.asset.clone(), held, ours, modified });
            }
        }
        let job = Arc::clone(&self.job);
        let fetch = |order| fetch_one(Arc::clone(&job), order, &fresh, is_only);
        let mut under_way = stream::iter(orders).map(fetch).buffer_unordered(MOST_UNDER_WAY);
        let mut stop = None;
        while let Some((asset, fetched)) = under_way.next().await {
            match fetched {
                Ok(Come::File(file)) => {
                    self.arrived(&file);
                    results.fetched.push(*file);
                }
                Ok(Come::Only(staged)) => {
                    results.fetched.push(staged.entry().clone());
                    only = Some(*staged);
                }
                Ok(Come::NotWanted) => results.left_out = true,
                Err(transfer::Error::Stopped) => stop = Some(Stop::Interrupted),
                Err(error) if error.is_told_for_all() => stop = Some(Stop::Disk(error)),
                Err(error) => {
                    let told = self.job.gateway.told(&error);
                    results.errors.push(AssetError::of(asset.slot(None), asset.recorded_url(), told));
                }
            }
        }
        stop.map_or(Ok((results, only)), Err)
    }

    /// Marks files that `repair` got with other bytes than were recorded: they are taken all the same.
    fn compare(&self, results: &mut Results, recorded: &[FileEntry]) {
        if self.lost.is_none() {
            return;
        }
        let recorded: HashMap<Slot, &FileEntry> = recorded.iter().map(|before| (before.slot(), before)).collect();
        for file in &mut results.fetched {
            let before = recorded.get(&file.slot());
            if before.is_some_and(|before| before.sha256() != file.sha256()) {
                file.warnings.push("repaired with other bytes than were recorded".to_owned());
            }
        }
    }

    fn arrived(&mut self, file: &FileEntry) {
        self.report.fetched += 1;
        self.report.fetched_bytes += file.size();
        let path = self.shown().join(file.path());
        let report = FileReport { task: self.id().clone(), entry: file.clone(), path: path.display().to_string() };
        self.job.emitter.emit(Event::File(Box::new(report)));
    }

    /// What a person should know about single assets, a line each: what is not here, and what was not replaced.
    fn problems(entry: &TaskEntry, not_replaced: &[AssetError], is_less: bool) -> Vec<String> {
        let recorded: HashSet<Slot> = entry.errors.iter().map(AssetError::slot).collect();
        let not_replaced = not_replaced.iter().filter(|error| !recorded.contains(&error.slot()));
        let told = entry.errors.iter().chain(not_replaced).map(|error| match &error.url {
            Some(url) => format!("{}: {} ({})", error.slot(), error.error, shown_url(url)),
            None => format!("{}: {}", error.slot(), error.error),
        });
        told.chain(is_less.then(|| "the gateway names less than before; what is here is kept".to_owned())).collect()
    }
}

/// The errors of assets that are here all the same: they are told, and not recorded.
fn not_replaced(results: &Results) -> Vec<AssetError> {
    let here: HashSet<Slot> = results.kept.iter().chain(&results.fetched).map(FileEntry::slot).collect();
    results.errors.iter().filter(|error| here.contains(&error.slot())).cloned().collect()
}

/// What came of an asset.
enum Come {
    /// A file under its final name.
    File(Box<FileEntry>),
    /// The one file of a new task, still to be committed.
    Only(Box<Staged>),
    NotWanted,
}

/// One asset, committed unless it is the `only` one.
async fn fetch_one(
    job: Arc<Job>,
    order: Order,
    fresh: &OnceCell<FreshAssets>,
    is_only: bool,
) -> (Asset, Result<Come, transfer::Error>) {
    let held = Arc::clone(&order.held);
    let (asset, fetched) = fetch_fresh(&job, order, fresh).await;
    let come = match fetched {
        Ok(Fetched::File(staged)) if is_only => Ok(Come::Only(staged)),
        Ok(Fetched::File(staged)) => {
            let disk = &job.downloader.disk;
            let committed = held.commit(*staged).await.inspect(|_| disk.took());
            committed.map(|file| Come::File(Box::new(file))).map_err(|error| disk.note(error.into()))
        }
        Ok(Fetched::NotWanted) => Ok(Come::NotWanted),
        Err(error) => Err(error),
    };
    (asset, come)
}

/// The assets of a second answer, by kind and number, and their room.
type FreshAssets = (HashMap<(Option<Kind>, usize), Asset>, Option<Room>);

/// One asset; a dead link is asked for anew once, for all assets of the task together.
async fn fetch_fresh(job: &Arc<Job>, order: Order, fresh: &OnceCell<FreshAssets>) -> (Asset, Result<Fetched, transfer::Error>) {
    let dead = match job.downloader.fetch(order.clone()).await {
        Err(error) if error.is_dead_link() => error,
        done => return (order.asset, done),
    };
    let by_number = |asset: Asset| ((asset.kind, asset.index), asset);
    let assets = |answered: Answered| (answered.task.assets.into_iter().map(by_number).collect(), Some(answered.room));
    // Without an answer the dead link stays dead, and is told as that.
    let ask = || async { job.ask(&order.task, Purpose::FreshLinks).await.map(assets).unwrap_or_default() };
    let Some((assets, _)) = job.stop.run_until_cancelled(fresh.get_or_init(ask)).await else {
        return (order.asset, Err(transfer::Error::Stopped));
    };
    match assets.get(&(order.asset.kind, order.asset.index)).filter(|asset| asset.url != order.asset.url) {
        Some(asset) => (asset.clone(), job.downloader.fetch(Order { asset: asset.clone(), ..order }).await),
        None => (order.asset, Err(dead)),
    }
}
