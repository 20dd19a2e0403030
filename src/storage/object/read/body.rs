//! Reads the bytes of objects, and what is recorded about them.

use futures::TryStreamExt;
use object_store::{Attribute, GetOptions, ObjectStoreExt};

use crate::integrity::digest::{Hasher, Sha256Hex};
use crate::storage::Error;
use crate::storage::object::bucket::{Bucket, SHA256_KEY};
use crate::storage::object::error::is_absent;

/// What is known of an object without reading it.
pub(super) struct Recorded {
    pub size: u64,
    /// The hash in its metadata, where a writer put one and the store kept it.
    pub sha256: Option<String>,
}

/// Looks at an object. None if it does not exist.
///
/// # Errors
/// When the store does not say.
pub(super) async fn recorded(bucket: &Bucket, relative: &str) -> Result<Option<Recorded>, Error> {
    let options = GetOptions { head: true, ..GetOptions::default() };
    match bucket.store.get_opts(&bucket.key(relative), options).await {
        Ok(found) => {
            let sha256 = found.attributes.get(&Attribute::Metadata(SHA256_KEY.into())).map(|hash| hash.as_ref().to_owned());
            Ok(Some(Recorded { size: found.meta.size, sha256 }))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(bucket.error("read", relative)(error)),
    }
}

/// Calls `on_chunk` with all bytes of an object, in order. Whether the object exists.
///
/// # Errors
/// When it can't be read to its end.
pub(in crate::storage) async fn for_each_chunk(
    bucket: &Bucket,
    relative: &str,
    mut on_chunk: impl FnMut(&[u8]),
) -> Result<bool, Error> {
    let object = match bucket.store.get(&bucket.key(relative)).await {
        Err(error) if is_absent(&error) => return Ok(false),
        object => object.map_err(bucket.error("read", relative))?,
    };
    let mut body = object.into_stream();
    while let Some(chunk) = body.try_next().await.map_err(bucket.error("read", relative))? {
        on_chunk(&chunk);
    }
    Ok(true)
}

/// The hash and the size of an object's bytes. None if it does not exist.
///
/// # Errors
/// When it can't be read to its end.
pub(in crate::storage) async fn hash(
    bucket: &Bucket,
    relative: &str,
    on_bytes: impl Fn(u64),
) -> Result<Option<(Sha256Hex, u64)>, Error> {
    let (mut hasher, mut size) = (Hasher::default(), 0);
    let exists = for_each_chunk(bucket, relative, |bytes| {
        hasher.update(bytes);
        size += bytes.len() as u64;
        on_bytes(bytes.len() as u64);
    });
    Ok(exists.await?.then(|| (hasher.finish(), size)))
}
