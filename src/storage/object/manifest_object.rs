//! Reads the manifest of a task from a bucket, with the version that a later write is conditional on.
//!
//! A manifest that is cut, empty or zeroed reads as none, but has a version: it is replaced on that condition. A manifest that
//! another program or a later version wrote is an error, as on a disk. So is one that can't be read: that is never absence. A
//! file that is not JSON is damage when the index names the task, and another program's file when not.

use bytes::Bytes;
use object_store::{Attribute, Attributes, GetOptions, UpdateVersion};

use super::bucket::{Bucket, WRITE_ID_KEY};
use super::error::is_absent;
use crate::domain::manifest::{TaskEntry, TaskManifest};
use crate::domain::task::TaskId;
use crate::layout::{self, MANIFEST};
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::{Error, blocking};

/// A larger object is no manifest of this program: one has at most twice the size of an answer, and the text of its files.
pub(super) const MAX_SIZE: u64 = if cfg!(test) { 4 << 20 } else { 256 << 20 };
/// A larger manifest is parsed on a thread that may block.
const LARGE: usize = 1 << 20;

/// A task's manifest in a bucket.
#[derive(Clone, Debug, Default)]
pub(in crate::storage) struct ManifestObject {
    /// What it says. None if there is none, or a cut one.
    pub entry: Option<TaskEntry>,
    /// The version that a replacement must name. None if there is no object.
    pub version: Option<UpdateVersion>,
    /// The id of the write that it comes from.
    pub(super) write_id: Option<String>,
    /// Whether the index names the task: whatever stands there was once its manifest.
    pub(super) is_named: bool,
}

/// The key of a task's manifest.
pub(super) fn manifest_key(id: &str) -> String {
    format!("{}/{MANIFEST}", layout::folder_name(id))
}

/// Reads the manifest of the task `id`. `is_named`: the index names the task.
///
/// # Errors
/// When it can't be read, is damaged but not cut, is of another task or of several, or this version did not write it.
pub(in crate::storage) async fn read_manifest(bucket: &Bucket, id: &TaskId, is_named: bool) -> Result<ManifestObject, Error> {
    read_manifest_of(bucket, id.as_str(), is_named).await
}

pub(super) async fn read_manifest_of(bucket: &Bucket, id: &str, is_named: bool) -> Result<ManifestObject, Error> {
    let key = manifest_key(id);
    let Some(FetchedManifest { content, version, write_id }) = fetch(bucket, &key).await? else {
        return Ok(ManifestObject { is_named, ..ManifestObject::default() });
    };
    let url = bucket.url_of(&key);
    let entry = match content {
        TaskManifest::Task(entry) if entry.task_id == id => Some(*entry),
        TaskManifest::Task(entry) => return Err(Error::OtherTask { path: url.into(), id: entry.task_id }),
        TaskManifest::Damaged { is_truncated } if is_truncated || is_named => None,
        TaskManifest::Damaged { .. } => return Err(Error::DamagedManifest(url.into())),
        TaskManifest::MultipleTasks => return Err(Error::ManyTasks(url.into())),
        TaskManifest::Foreign => return Err(Error::Foreign(url.into())),
        TaskManifest::NewerVersion(version) => return Err(Error::Newer { path: url.into(), version }),
    };
    Ok(ManifestObject { entry, version: Some(version), write_id, is_named })
}

/// A manifest as it is in a bucket.
pub(super) struct FetchedManifest {
    pub content: TaskManifest,
    version: UpdateVersion,
    write_id: Option<String>,
}

/// Fetches and parses the manifest at `key`. None when there is none.
///
/// # Errors
/// When it can't be fetched, or is too large.
pub(super) async fn fetch(bucket: &Bucket, key: &str) -> Result<Option<FetchedManifest>, Error> {
    let object = match bucket.store.get_opts(&bucket.key(key), GetOptions::new()).await {
        Err(error) if is_absent(&error) => return Ok(None),
        object => object.map_err(bucket.error("read", key))?,
    };
    if object.meta.size > MAX_SIZE {
        let message = too_large(object.meta.size);
        let source = BucketError { fault: BucketFault::Other, message };
        return Err(Error::Bucket { action: "read", url: bucket.url_of(key), source });
    }
    let version = UpdateVersion { e_tag: object.meta.e_tag.clone(), version: object.meta.version.clone() };
    let write_id = recorded_write_id(&object.attributes);
    let text = object.bytes().await.map_err(bucket.error("read", key))?;
    Ok(Some(FetchedManifest { content: parse(text).await?, version, write_id }))
}

/// What is wrong with a manifest of `size` bytes, which is more than [`MAX_SIZE`].
pub(super) fn too_large(size: u64) -> String {
    format!("it has {size} bytes, more than the {MAX_SIZE} bytes that a manifest may have; yescale-dl did not write it")
}

/// The id of the write that the object comes from. Some proxies turn the underscore of its key into a hyphen.
fn recorded_write_id(attributes: &Attributes) -> Option<String> {
    let get = |key: String| attributes.get(&Attribute::Metadata(key.into())).map(|id| id.as_ref().to_owned());
    get(WRITE_ID_KEY.to_owned()).or_else(|| get(WRITE_ID_KEY.replace('_', "-")))
}

async fn parse(text: Bytes) -> Result<TaskManifest, Error> {
    let is_large = text.len() > LARGE;
    let parse = move || TaskManifest::parse(&text).map_err(Error::io("read", MANIFEST.as_ref()));
    if is_large { blocking(parse).await } else { parse() }
}
