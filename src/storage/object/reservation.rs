//! Reservations of names: `.video-1.mp4.sha256` holds the hash of the file that may be uploaded as `video-1.mp4`.
//!
//! A reservation is created once, and never changes. A process that is killed with a reservation loses nothing: the same bytes
//! may still come from another writer, and other bytes get a name with a suffix.

use object_store::{Attribute, AttributeValue, Attributes, GetOptions, PutMode, PutOptions};

use super::bucket::{Bucket, SHA256_KEY};
use super::error::is_absent;
use crate::integrity::digest::Sha256Hex;
use crate::storage::Error;

/// A larger object is no reservation.
const MAX_SIZE: u64 = 1024;

/// The key of the reservation of `name` in the task's `folder`.
pub(super) fn key(folder: &str, name: &str) -> String {
    format!("{folder}/.{name}.sha256")
}

/// Reserves the name for the file with this hash. Whether the reservation is for this file, whoever created it.
pub(super) async fn create(bucket: &Bucket, key: &str, sha256: &Sha256Hex) -> Result<bool, Error> {
    let hash = sha256.as_str().to_owned();
    let recorded = (Attribute::Metadata(SHA256_KEY.into()), AttributeValue::from(hash.clone()));
    let attributes = Attributes::from_iter([(Attribute::ContentType, "text/plain".into()), recorded]);
    let options = PutOptions { mode: PutMode::Create, attributes, ..PutOptions::default() };
    match bucket.store.put_opts(&bucket.key(key), hash.into(), options).await {
        Ok(_) => Ok(true),
        // The answer may be lost, or be about another request.
        Err(error) => match read(bucket, key).await? {
            Some(holder) => Ok(holder == sha256.as_str()),
            None => Err(bucket.error("create", key)(error)),
        },
    }
}

/// Whether the name is reserved for another file than the one with this hash.
pub(super) async fn is_held_by_other(bucket: &Bucket, key: &str, sha256: &Sha256Hex) -> Result<bool, Error> {
    Ok(read(bucket, key).await?.is_some_and(|holder| holder != sha256.as_str()))
}

/// The hash in the reservation, if there is one. An object that is no reservation holds the name, too: its text is no hash.
async fn read(bucket: &Bucket, key: &str) -> Result<Option<String>, Error> {
    let object = match bucket.store.get_opts(&bucket.key(key), GetOptions::new()).await {
        Err(error) if is_absent(&error) => return Ok(None),
        object => object.map_err(bucket.error("read", key))?,
    };
    if object.meta.size > MAX_SIZE {
        return Ok(Some(String::new()));
    }
    let text = object.bytes().await.map_err(bucket.error("read", key))?;
    Ok(Some(String::from_utf8_lossy(&text).trim().to_owned()))
}
