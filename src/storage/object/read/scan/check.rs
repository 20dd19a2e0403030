//! Compares the objects of one task with its manifest.

use std::collections::HashMap;

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use super::CheckedTask;
use crate::domain::asset_key::AssetKey;
use crate::domain::event::{Counter, Emitter, Event, Fault, FileProgress, Transfer};
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::read::{body, manifest};
use crate::storage::read::scan::{ExpectedFile, LARGE_FILE, TaskScan, group_by_path};

/// Objects of one task that are checked at once.
const FILES_AT_ONCE: usize = 8;

/// What all checks share.
pub(super) struct Checker<'a> {
    pub bucket: &'a Bucket,
    pub quick: bool,
    pub events: &'a Emitter,
    /// A permit per request.
    pub requests: &'a Semaphore,
}

/// What an object is.
enum Object {
    Missing,
    Unreadable,
    /// Its size, and its hash where that is known.
    Found(u64, Option<String>),
}

impl Checker<'_> {
    /// Checks the files that `scan` expects. `listed` are the names in the folder, and the sizes.
    pub(super) async fn check(&self, mut scan: TaskScan, listed: &[(Box<str>, u64)]) -> CheckedTask {
        let sizes: HashMap<&str, u64> = listed.iter().map(|(name, size)| (&**name, *size)).collect();
        let files = group_by_path(std::mem::take(&mut scan.expected), |file| &file.path);
        let (mut count, mut bytes, mut suspects) = (0, 0_u64, Vec::new());
        let mut checked = stream::iter(files)
            .map(|expected| async {
                let size = expected.first().and_then(|file| sizes.get(file.name()).copied());
                let faults = match size {
                    Some(_) => self.check_path(&expected, size).await,
                    // The store is asked for what was not listed when it is checked again.
                    None => vec![Some(Fault::Missing); expected.len()],
                };
                (expected, faults)
            })
            .buffer_unordered(FILES_AT_ONCE);
        while let Some((expected, faults)) = checked.next().await {
            count += 1;
            bytes = bytes.saturating_add(expected.first().map_or(0, |file| file.size));
            suspects.extend(expected.into_iter().zip(faults).filter(|(_, fault)| fault.is_some()).map(|(file, _)| file));
        }
        drop(checked);
        let broken = self.recheck(suspects).await;
        self.events.tasks.done.add(1);
        CheckedTask { scan, files: count, bytes, broken }
    }

    /// Checks the broken files of one task against its manifest as it is now: a worker may have just replaced them.
    async fn recheck(&self, suspects: Vec<ExpectedFile>) -> Vec<(ExpectedFile, Fault)> {
        let Some(first) = suspects.first() else { return Vec::new() };
        let prefix = first.path.strip_suffix(first.name()).unwrap_or_default().to_owned();
        let mut now = TaskScan::default();
        // Where the manifest can't be read, the old entries are used.
        let lookup = {
            let _permit = self.requests.acquire().await;
            manifest::read(self.bucket, &prefix).await
        };
        if let Ok(ManifestLookup::Task(task)) = lookup {
            now.expect_task(&task, &prefix);
        }
        let by_key: HashMap<Option<AssetKey>, ExpectedFile> =
            now.expected.into_iter().rev().map(|file| (file.key, file)).collect();
        let renewed = suspects.into_iter().map(|file| (by_key.get(&file.key).cloned().unwrap_or_else(|| file.clone()), file));
        let check = |(now, file): (ExpectedFile, ExpectedFile)| async move {
            let fault = self.check_path(std::slice::from_ref(&now), None).await.pop().flatten();
            fault.map(|fault| (file, fault))
        };
        let checked = stream::iter(renewed).map(check).buffer_unordered(FILES_AT_ONCE);
        checked.filter_map(|found| async { found }).collect().await
    }

    /// Compares one object, of `size` bytes when that is known, with its entries. Returns the fault of each.
    async fn check_path(&self, expected: &[ExpectedFile], size: Option<u64>) -> Vec<Option<Fault>> {
        let Some(file) = expected.first() else { return Vec::new() };
        let is_of_size = |size: u64| expected.iter().any(|file| file.size == size);
        let object = match size {
            // Nothing that it holds can be what is recorded.
            Some(size) if !is_of_size(size) => Object::Found(size, None),
            _ if self.quick => self.look(&file.path).await,
            _ => self.read(file).await,
        };
        let fault = |file: &ExpectedFile| match &object {
            Object::Missing => Some(Fault::Missing),
            Object::Unreadable => Some(Fault::Unreadable),
            Object::Found(size, hash) => {
                let is_intact = *size == file.size && hash.as_ref().is_none_or(|hash| *hash == file.sha256.as_str());
                (!is_intact).then_some(Fault::Damaged)
            }
        };
        expected.iter().map(fault).collect()
    }

    /// The size and the recorded hash of an object.
    async fn look(&self, path: &str) -> Object {
        let _permit = self.requests.acquire().await;
        match body::recorded(self.bucket, path).await {
            Ok(Some(found)) => Object::Found(found.size, found.sha256),
            Ok(None) => Object::Missing,
            Err(_) => Object::Unreadable,
        }
    }

    /// Hashes the bytes of an object, on any thread of the runtime. A large one is announced as a transfer.
    async fn read(&self, file: &ExpectedFile) -> Object {
        let _permit = self.requests.acquire().await;
        let (counter, bytes, progress) = (Counter::default(), self.events.bytes.clone(), FileProgress::new(&self.events.files));
        progress.begin(Some(file.size), 0);
        if file.size >= LARGE_FILE {
            let transfer = Transfer { name: file.path.clone(), total: Some(file.size), counter: counter.clone() };
            self.events.emit(Event::TransferStarted(transfer));
        }
        let (bucket, path, count) = (self.bucket.clone(), file.path.clone(), counter.clone());
        let on_bytes = move |more| {
            count.add(more);
            bytes.add(more);
            progress.add(more);
        };
        let hashed = tokio::spawn(async move { body::hash(&bucket, &path, on_bytes).await }).await;
        if file.size >= LARGE_FILE {
            self.events.emit(Event::TransferEnded(counter));
        }
        match hashed {
            Ok(Ok(Some((hash, size)))) => Object::Found(size, Some(hash.as_str().to_owned())),
            Ok(Ok(None)) => Object::Missing,
            // A panic in it is the reader's.
            Ok(Err(_)) | Err(_) => Object::Unreadable,
        }
    }
}
