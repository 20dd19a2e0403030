//! Reads the manifest of a folder whose task is not known. Every decision about its content is that of a local archive.

use object_store::ObjectStoreExt;

use crate::domain::manifest::TaskManifest;
use crate::layout::MANIFEST;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::error::is_absent;
use crate::storage::{Error, blocking};

/// A larger object is no manifest of one task: that has at most twice the size of an answer, and its text.
const MAX_SIZE: u64 = 256 << 20;
/// A larger manifest is parsed on a thread that may block.
const LARGE: usize = 1 << 20;

/// Reads the manifest below `prefix`: empty, or a folder and `/`. Its task id is not compared with the folder's name.
///
/// # Errors
/// When it is foreign, of a later version or an archive's, or can't be read.
pub(super) async fn read(bucket: &Bucket, prefix: &str) -> Result<ManifestLookup, Error> {
    let key = format!("{prefix}{MANIFEST}");
    let object = match bucket.store.get(&bucket.key(&key)).await {
        Err(error) if is_absent(&error) => return Ok(ManifestLookup::Missing),
        object => object.map_err(bucket.error("read", &key))?,
    };
    let url = bucket.url_of(&key);
    if object.meta.size > MAX_SIZE {
        let message = format!("it has {} bytes, and no manifest of a task has as many", object.meta.size);
        return Err(Error::Bucket { action: "read", url, source: BucketError { fault: BucketFault::Other, message } });
    }
    let text = object.bytes().await.map_err(bucket.error("read", &key))?;
    let is_large = text.len() > LARGE;
    let parse = move || TaskManifest::parse(&text).map_err(Error::io("read", MANIFEST.as_ref()));
    match if is_large { blocking(parse).await } else { parse() }? {
        TaskManifest::Task(task) => Ok(ManifestLookup::Task(task)),
        TaskManifest::Damaged { is_truncated: is_cut } => Ok(ManifestLookup::Damaged { is_cut }),
        TaskManifest::MultipleTasks => Err(Error::ManyTasks(url.into())),
        TaskManifest::Foreign => Err(Error::Foreign(url.into())),
        TaskManifest::NewerVersion(version) => Err(Error::Newer { path: url.into(), version }),
    }
}
