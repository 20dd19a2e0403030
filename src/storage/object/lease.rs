//! One task of a bucket while a run works on it: downloads in the spool, published to the bucket.
//!
//! It is no lock over the bucket: two workers on different machines may have the same task. Both may download it; publish and
//! commit keep one result. On one machine the lease of the spool's folder keeps processes apart that share the spool.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::archive::ObjectArchive;
use super::commit;
use super::manifest_object::ManifestObject;
use super::publish::{FileToPublish, Proof};
use super::read::body;
use super::spool;
use crate::domain::manifest::{FileEntry, TaskEntry};
use crate::domain::task::TaskId;
use crate::layout;
use crate::storage::local::commit::{Committed, TaskCommit};
use crate::storage::local::part_factory::PartFactory;
use crate::storage::{Error, LocalLease, StagedFile, TaskSnapshot, blocking};

/// A task of a bucket that a run works on.
#[derive(Debug)]
pub(crate) struct ObjectLease {
    archive: ObjectArchive,
    /// The folder in the spool.
    local: Arc<LocalLease>,
    id: TaskId,
    /// Whether files that are there may be replaced by other bytes.
    replaces: bool,
    /// The manifest as it was read, or written, last.
    manifest: Mutex<Option<ManifestObject>>,
}

impl ObjectLease {
    pub(super) fn new(archive: ObjectArchive, local: Arc<LocalLease>, id: TaskId, replaces: bool) -> Self {
        Self { archive, local, id, replaces, manifest: Mutex::default() }
    }

    /// Reads the manifest. The next commit replaces this version of it.
    pub(super) async fn read(&self) -> Result<TaskSnapshot, Error> {
        let object = self.archive.read_object(&self.id).await?;
        let snapshot = TaskSnapshot::of_bucket(object.entry.clone());
        *self.manifest.lock().await = Some(object);
        Ok(snapshot)
    }

    /// Takes the task for one that the bucket does not have. The commit reads the manifest if that is wrong.
    pub(super) async fn assume_new(&self) -> TaskSnapshot {
        let is_named = self.archive.known(&self.id).is_some();
        *self.manifest.lock().await = Some(ManifestObject { is_named, ..ManifestObject::default() });
        TaskSnapshot::default()
    }

    /// The factory for parts in the spool.
    pub(in crate::storage) fn parts(&self) -> PartFactory {
        // An upload reads a file.
        self.local.parts().on_disk()
    }

    fn folder(&self) -> String {
        layout::folder_name(self.id.as_str())
    }

    fn proof(&self) -> Proof {
        if self.replaces { Proof::Body } else { Proof::Recorded }
    }

    /// Uploads a file, and removes it from the spool. Its entry has the name that it won.
    pub(in crate::storage) async fn publish(&self, staged: StagedFile) -> Result<FileEntry, Error> {
        let published = self.upload(&staged).await;
        // After an error the bytes are fetched again: the spool has no record of a file that is complete.
        let discard = move || {
            staged.discard();
            Ok::<_, Error>(())
        };
        blocking(discard).await?;
        published
    }

    async fn upload(&self, staged: &StagedFile) -> Result<FileEntry, Error> {
        let entry = staged.entry();
        let file = FileToPublish {
            path: staged.path(),
            name: entry.path().to_owned(),
            size: entry.size(),
            sha256: entry.sha256().clone(),
            content_type: entry.content_type.clone(),
        };
        let name = self.archive.publisher().publish(&self.folder(), file, self.proof()).await?;
        Ok(entry.clone().with_name(&name))
    }

    /// Publishes what is not published yet and the text, then commits the manifest.
    pub(in crate::storage) async fn commit(&self, commit: TaskCommit) -> Result<Committed, Error> {
        let TaskCommit { mut entry, before, unpublished } = commit;
        let mut published = Vec::with_capacity(unpublished.len());
        for staged in unpublished {
            let file = self.publish(staged).await?;
            entry.files.iter_mut().filter(|known| known.key() == file.key()).for_each(|known| known.clone_from(&file));
            published.push(file);
        }
        if self.replaces || before.as_ref().is_none_or(|before| before.text != entry.text) {
            self.publish_text(&mut entry).await?;
        }
        let entry = self.write_manifest(entry, before.as_ref()).await?;
        self.cleanup(entry.clone()).await?;
        Ok(Committed { entry, before, published })
    }

    async fn publish_text(&self, entry: &mut TaskEntry) -> Result<(), Error> {
        if let Some(text) = &entry.text {
            let name = self.archive.publisher().publish_text(&self.folder(), text, self.proof()).await?;
            entry.text_path = Some(name);
        }
        Ok(())
    }

    async fn write_manifest(&self, entry: TaskEntry, before: Option<&TaskEntry>) -> Result<TaskEntry, Error> {
        let mut manifest = self.manifest.lock().await;
        let standing = match manifest.take() {
            Some(standing) => standing,
            None => self.archive.read_object(&self.id).await?,
        };
        let committed = commit::commit(self.archive.bucket(), standing, before, entry, self.replaces).await?;
        self.archive.add_to_index(&committed).await;
        Ok(committed)
    }

    /// Publishes the text of `entry` again where it is missing or damaged.
    pub(in crate::storage) async fn restore_text(&self, entry: TaskEntry) -> Result<(), Error> {
        let mut restored = entry.clone();
        self.publish_text(&mut restored).await?;
        if restored.text_path == entry.text_path { Ok(()) } else { self.write_manifest(restored, Some(&entry)).await.map(drop) }
    }

    /// Removes from the spool what the download of `entry` needed.
    pub(in crate::storage) async fn cleanup(&self, entry: TaskEntry) -> Result<(), Error> {
        let local = Arc::clone(&self.local);
        let clean = move || {
            spool::clean_up(&local, &entry);
            Ok(())
        };
        blocking(clean).await
    }

    /// Whether the object called `name` has the bytes of `file`, whatever hash is recorded.
    async fn has_bytes(&self, name: &str, file: &FileEntry) -> Result<bool, Error> {
        let object = format!("{}/{name}", self.folder());
        let found = body::hash(self.archive.bucket(), &object, |_| {}).await?;
        Ok(found.is_some_and(|(sha256, _)| sha256 == *file.sha256()))
    }

    /// Of `files`, those that are not in the bucket with the recorded bytes.
    pub(in crate::storage) async fn broken_files(&self, files: Vec<FileEntry>) -> Result<Vec<FileEntry>, Error> {
        let mut broken = Vec::new();
        for file in files {
            let is_whole = match file.name() {
                Some(name) => self.has_bytes(name, &file).await?,
                None => false,
            };
            if !is_whole {
                broken.push(file);
            }
        }
        Ok(broken)
    }
}
