//! Lists what is in an archive. Names that begin with a dot belong to the bucket's own records, as on a disk.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use futures::stream::{self, StreamExt};
use object_store::path::Path;

use super::{MAX_REQUESTS, body};
use crate::layout::{self, MANIFEST};
use crate::storage::Error;
use crate::storage::object::bucket::Bucket;

/// The objects of an archive, without those whose names begin with a dot. An object takes about 60 bytes, and a folder 100.
#[derive(Default)]
pub(super) struct Objects {
    /// By folder: the names in it, which may lead into folders below, and the sizes.
    pub folders: BTreeMap<String, Vec<(Box<str>, u64)>>,
    /// The names at the root, and the sizes.
    pub root: Vec<(Box<str>, u64)>,
}

/// The names of all folders that a task can have.
///
/// # Errors
/// When they can't be listed.
pub(super) async fn task_folders(bucket: &Bucket) -> Result<HashSet<Box<str>>, Error> {
    let listed = bucket.store.list_with_delimiter(prefix(bucket).as_ref()).await.map_err(bucket.error("list", ""))?;
    let names = listed.common_prefixes.iter().filter_map(Path::filename);
    Ok(names.filter(|name| layout::is_folder_name(name)).map(Box::from).collect())
}

/// Whether one of these folders has a manifest.
///
/// # Errors
/// When the store does not say.
pub(super) async fn has_manifest(bucket: &Bucket, folders: impl Iterator<Item = &str>) -> Result<bool, Error> {
    let look = |folder: &str| {
        let manifest = format!("{folder}/{MANIFEST}");
        async move { body::recorded(bucket, &manifest).await.map(|found| found.is_some()) }
    };
    let mut found = stream::iter(folders).map(look).buffer_unordered(MAX_REQUESTS);
    while let Some(is_there) = found.next().await {
        if is_there? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// All objects of the archive, or those of one `folder`.
///
/// # Errors
/// When they can't be listed.
pub(super) async fn objects(bucket: &Bucket, folder: Option<&str>) -> Result<Objects, Error> {
    let below = folder.map(|folder| bucket.key(folder)).or_else(|| prefix(bucket));
    let mut listed = bucket.store.list(below.as_ref());
    let mut objects = Objects::default();
    while let Some(object) = listed.try_next().await.map_err(bucket.error("list", folder.unwrap_or_default()))? {
        let Some(relative) = relative(bucket, &object.location) else { continue };
        match relative.split_once('/') {
            _ if relative.split('/').any(|part| part.starts_with('.')) => {}
            Some((folder, name)) => match objects.folders.get_mut(folder) {
                Some(names) => names.push((name.into(), object.size)),
                None => _ = objects.folders.insert(folder.to_owned(), vec![(name.into(), object.size)]),
            },
            None => objects.root.push((relative.into(), object.size)),
        }
    }
    Ok(objects)
}

/// The key of the archive itself; none for a whole bucket.
fn prefix(bucket: &Bucket) -> Option<Path> {
    (!bucket.url.prefix.is_empty()).then(|| bucket.key(""))
}

/// The path of an object below the archive.
fn relative(bucket: &Bucket, key: &Path) -> Option<String> {
    let prefix = prefix(bucket).unwrap_or_default();
    let parts: Vec<String> = key.prefix_match(&prefix)?.map(|part| part.as_ref().to_owned()).collect();
    (!parts.is_empty()).then(|| parts.join("/"))
}
