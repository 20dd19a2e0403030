//! The tasks of an archive in a bucket: from the index, and from the manifests of the folders that it does not name.
//!
//! The folders are listed first. A task of the index whose folder is not among them was removed, or archived since: its manifest
//! decides. A damaged index costs requests and no task: then the manifests are read.

use futures::stream::{self, StreamExt};

use super::{BucketReader, MAX_REQUESTS, listing, manifest};
use crate::domain::manifest::TaskEntry;
use crate::layout;
use crate::storage::error::BucketFault;
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::index::for_each_indexed;
use crate::storage::{Error, Report};

/// Requests that fail one after the other, after which the store counts as out of reach.
const MAX_FAILURES: usize = 2 * MAX_REQUESTS;

impl BucketReader {
    /// Calls `on_task` with every task, with paths relative to the root. Returns what is wrong with single tasks.
    ///
    /// # Errors
    /// When there is no archive, or the bucket can't be read.
    pub(in crate::storage) fn for_each_task(&self, on_task: &mut dyn FnMut(TaskEntry)) -> Result<Report, Error> {
        self.runtime.block_on(async {
            if self.is_single {
                return read_single(&self.bucket, on_task).await;
            }
            let mut folders = listing::task_folders(&self.bucket).await?;
            self.refuse_no_archive(folders.iter().map(|folder| &**folder)).await?;
            let (mut report, mut unlisted) = (Report::default(), Vec::new());
            let indexed = for_each_indexed(&self.bucket, |task| {
                let folder = layout::folder_name(&task.task_id);
                if folders.remove(folder.as_str()) { on_task(task) } else { unlisted.push((folder.into(), Some(task.task_id))) }
            });
            indexed.await.or_else(|error| report_damaged_index(error, &mut report))?;
            let rest = folders.into_iter().map(|folder| (folder, None)).chain(unlisted);
            Rest { bucket: &self.bucket, report, failures: 0 }.read(rest, on_task).await
        })
    }
}

/// Reports an index that can't be read to its end. Where nothing can be read, that is an error.
fn report_damaged_index(error: Error, report: &mut Report) -> Result<(), Error> {
    match error {
        Error::Bucket { ref source, .. } if matches!(source.fault, BucketFault::Refused | BucketFault::Unavailable) => Err(error),
        error => {
            report.add_fault(error.message());
            Ok(())
        }
    }
}

/// Reads the one task of a folder.
async fn read_single(bucket: &Bucket, on_task: &mut dyn FnMut(TaskEntry)) -> Result<Report, Error> {
    match manifest::read(bucket, "").await? {
        ManifestLookup::Task(task) => on_task(*task),
        ManifestLookup::Missing | ManifestLookup::Damaged { .. } => {
            return Err(Error::DamagedManifest(bucket.url_of(layout::MANIFEST).into()));
        }
    }
    Ok(Report::default())
}

/// Reads the manifests of single folders.
struct Rest<'a> {
    bucket: &'a Bucket,
    report: Report,
    /// Requests that failed since the last one that did not.
    failures: usize,
}

impl Rest<'_> {
    /// Reads the manifests of `folders`, each with the id that the index has for it.
    async fn read(
        mut self,
        folders: impl Iterator<Item = (Box<str>, Option<String>)>,
        on_task: &mut dyn FnMut(TaskEntry),
    ) -> Result<Report, Error> {
        let bucket = self.bucket;
        let read = |(folder, id): (Box<str>, Option<String>)| async move {
            let found = manifest::read(bucket, &format!("{folder}/")).await;
            (folder, id, found)
        };
        let mut manifests = stream::iter(folders).map(read).buffer_unordered(MAX_REQUESTS);
        while let Some((folder, id, found)) = manifests.next().await {
            if let Some(task) = self.resolve(&folder, id.as_deref(), found)? {
                on_task(task.into_root_relative());
            }
        }
        drop(manifests);
        Ok(self.report)
    }

    /// Decides what a manifest means. Reports what is wrong.
    fn resolve(
        &mut self,
        folder: &str,
        id: Option<&str>,
        found: Result<ManifestLookup, Error>,
    ) -> Result<Option<TaskEntry>, Error> {
        let url = || self.bucket.url_of(&format!("{folder}/{}", layout::MANIFEST));
        self.failures = if matches!(found, Err(Error::Bucket { .. })) { self.failures + 1 } else { 0 };
        match found {
            Ok(ManifestLookup::Task(task)) if layout::folder_name(&task.task_id) == folder => return Ok(Some(*task)),
            Ok(ManifestLookup::Task(task)) => {
                self.report.add_note(Error::OtherTask { path: url().into(), id: task.task_id }.message());
            }
            // A folder without a manifest is that of a task that a run has not finished.
            Ok(ManifestLookup::Missing) => {
                if let Some(id) = id {
                    self.report.add_note(format!("{id}: its folder is gone, and only the index names it"));
                }
            }
            Ok(ManifestLookup::Damaged { .. }) => {
                self.report.add_fault(format!("{} is damaged; `yescale-dl repair` restores it", url()));
            }
            // Another program's folder, or an archive inside this one, is ignored.
            Err(Error::Foreign(_) | Error::ManyTasks(_)) => {}
            Err(error @ Error::Newer { .. }) => self.report.add_note(error.message()),
            Err(error) if self.failures >= MAX_FAILURES => return Err(error),
            Err(error) => self.report.add_fault(error.message()),
        }
        Ok(None)
    }
}
