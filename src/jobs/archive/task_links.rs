//! The links of a task. After a dead link the gateway is asked once for new ones, for all assets of the task together.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::OnceCell;

use super::poll_queue::{Deferral, Turn};
use super::{ArchiveJob, late_link};
use crate::domain::asset::Asset;
use crate::domain::asset_key::AssetSelector;
use crate::gateway::{MemoryPermit, Purpose, TaskResponse};
use crate::transfer::{self, DownloadJob, Fetched};

/// The links of a task: those of its answer, and those of a second answer once one of them is dead.
pub(super) struct TaskLinks {
    pub job: Arc<ArchiveJob>,
    /// Whether the task is so new that its links may not work yet.
    is_new: bool,
    fresh: OnceCell<FreshLinks>,
}

/// The assets of a second answer, by kind and number.
#[derive(Default)]
struct FreshLinks {
    assets: HashMap<AssetSelector, Asset>,
    /// The memory that the assets are counted in.
    _memory_permit: Option<MemoryPermit>,
    missed_answer: Option<Deferral>,
}

impl TaskLinks {
    pub(super) fn new(job: Arc<ArchiveJob>, is_new: bool) -> Self {
        Self { job, is_new, fresh: OnceCell::new() }
    }

    /// Why there was no second answer, when one was asked for and a later query may get one.
    pub(super) fn missed_answer(&self) -> Option<Deferral> {
        self.fresh.get()?.missed_answer
    }

    /// Fetches one asset. After a dead link the gateway is asked once, for all assets of the task together.
    pub(super) async fn fetch(&self, download: DownloadJob) -> (Asset, Result<Fetched, transfer::Error>) {
        let Self { job, is_new, .. } = self;
        let dead_link = match late_link::fetch(job, &download, *is_new).await {
            Err(error) if error.is_dead_link() => error,
            done => return (download.asset, done),
        };
        let query = self.fresh.get_or_init(|| self.query(&download));
        let Some(FreshLinks { assets, .. }) = job.stop.run_until_cancelled(query).await else {
            return (download.asset, Err(transfer::Error::Stopped));
        };
        match assets.get(&download.asset.selector()).filter(|asset| asset.url != download.asset.url) {
            Some(asset) => {
                let download = DownloadJob { asset: asset.clone(), ..download };
                let fetched = late_link::fetch(job, &download, *is_new).await;
                (download.asset, fetched)
            }
            // A query that an interrupt ended says nothing about the link.
            None if job.stop.is_cancelled() => (download.asset, Err(transfer::Error::Stopped)),
            None => (download.asset, Err(dead_link)),
        }
    }

    /// Asks the gateway for fresh links. Without an answer the links stay dead, and that is the error which is reported.
    async fn query(&self, download: &DownloadJob) -> FreshLinks {
        match self.job.query(&download.task, Purpose::FreshLinks, Turn::Normal).await {
            Ok(TaskResponse { task, memory_permit, .. }) => FreshLinks {
                assets: task.assets.into_iter().map(|asset| (asset.selector(), asset)).collect(),
                _memory_permit: Some(memory_permit),
                missed_answer: None,
            },
            Err(abort) => FreshLinks { missed_answer: abort.missed_answer(), ..FreshLinks::default() },
        }
    }
}
