//! Reads the manifest of a folder whose task is not known. Every decision about its content is that of a local archive.

use crate::domain::manifest::TaskManifest;
use crate::layout::MANIFEST;
use crate::storage::Error;
use crate::storage::local::manifest_files::ManifestLookup;
use crate::storage::object::bucket::Bucket;
use crate::storage::object::manifest_object::fetch;

/// Reads the manifest below `prefix`: empty, or a folder and `/`. Its task id is not compared with the folder's name.
///
/// # Errors
/// When it is foreign, of a later version or an archive's, or can't be read.
pub(super) async fn read(bucket: &Bucket, prefix: &str) -> Result<ManifestLookup, Error> {
    let key = format!("{prefix}{MANIFEST}");
    let Some(fetched) = fetch(bucket, &key).await? else { return Ok(ManifestLookup::Missing) };
    let url = bucket.url_of(&key);
    match fetched.content {
        TaskManifest::Task(task) => Ok(ManifestLookup::Task(task)),
        TaskManifest::Damaged { is_truncated: is_cut } => Ok(ManifestLookup::Damaged { is_cut }),
        TaskManifest::MultipleTasks => Err(Error::ManyTasks(url.into())),
        TaskManifest::Foreign => Err(Error::Foreign(url.into())),
        TaskManifest::NewerVersion(version) => Err(Error::Newer { path: url.into(), version }),
    }
}
