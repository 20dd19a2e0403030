//! `current.json`, which names the generation of parts that holds.
//!
//! It is created once, and after that replaced by compare-and-swap on its ETag alone: of two compactions one wins. A request
//! whose answer is lost may still arrive later. Then its condition fails, because the pointer has changed by that time; while the
//! pointer is unchanged, the same request is made again.

use std::time::Duration;

use object_store::{Error as StoreError, PutMode, PutOptions, UpdateVersion};
use serde::{Deserialize, Serialize};

use super::lines::{Source, damaged, open};
use super::names::{self, CURRENT, INDEX};
use crate::domain::shard::Shard;
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};
use crate::storage::object::bucket::Bucket;

/// The version of the index that this program writes, and the highest that it reads.
const VERSION: u64 = 1;
/// The most parts of a generation.
pub(super) const MAX_PARTS: usize = 256;
/// The largest pointer, in bytes.
const MAX_LEN: u64 = 1 << 20;
/// The mean pause before the second try of a swap, in milliseconds; it doubles with each try.
const SWAP_DELAY_MS: u64 = if cfg!(test) { 1 } else { 50 };
/// How often one swap is tried.
const SWAP_ATTEMPTS: u32 = 6;

/// What the pointer says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Current {
    index_version: u64,
    /// The folder of the parts.
    pub generation: String,
    /// Each part has an equal range of the hashes, in their order. Their number is a power of two.
    pub parts: Vec<Part>,
}

/// One part of a generation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub name: String,
    pub tasks: u64,
    /// The number of files that its tasks name.
    #[serde(default)]
    pub files: u64,
}

/// A pointer, and the version that a swap replaces.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    /// None when it is damaged.
    pub current: Option<Current>,
    pub version: UpdateVersion,
}

impl Current {
    pub(super) fn new(generation: String, parts: Vec<Part>) -> Self {
        Self { index_version: VERSION, generation, parts }
    }

    /// Its parts, in the order of the hashes.
    pub(super) fn sources(&self) -> Vec<Source> {
        let stamp = names::generation_stamp(&self.generation).unwrap_or_default();
        let relative = |part: &Part| format!("{INDEX}/{}/{}", self.generation, part.name);
        let total = self.parts.len() as u64;
        let numbered = (1..).zip(&self.parts);
        numbered
            .filter_map(|(number, part)| Some((Shard::new(number, total)?, part)))
            .map(|(range, part)| Source { relative: relative(part), stamp, part: Some((range, part.tasks)) })
            .collect()
    }

    /// Whether this program can have written it: every name is one of ours, so that no other object is read in its place.
    fn is_valid(&self) -> bool {
        let count = self.parts.len();
        let names = self.parts.iter().enumerate().all(|(number, part)| part.name == names::part_name(number));
        names && count.is_power_of_two() && count <= MAX_PARTS && names::generation_stamp(&self.generation).is_some()
    }
}

impl Pointer {
    /// Reads the pointer. None when there is no generation yet.
    ///
    /// # Errors
    /// When it can't be read, or a later version of this program wrote it.
    pub(super) async fn read(bucket: &Bucket) -> Result<Option<Self>, Error> {
        #[derive(Deserialize)]
        struct VersionOnly {
            index_version: u64,
        }
        let Some(found) = open(bucket, CURRENT).await? else { return Ok(None) };
        let version = UpdateVersion { e_tag: found.meta.e_tag.clone(), version: found.meta.version.clone() };
        if found.meta.size > MAX_LEN {
            return Ok(Some(Self { current: None, version }));
        }
        let bytes = found.bytes().await.map_err(bucket.error("read", CURRENT))?;
        if let Ok(VersionOnly { index_version: newer @ VERSION.. }) = serde_json::from_slice(&bytes)
            && newer > VERSION
        {
            let message = format!("a later version of yescale-dl wrote it (index_version {newer}); use that version");
            let source = BucketError { fault: BucketFault::Other, message };
            return Err(Error::Bucket { action: "read", url: bucket.url_of(CURRENT), source });
        }
        let current = serde_json::from_slice(&bytes).ok().filter(Current::is_valid);
        Ok(Some(Self { current, version }))
    }

    /// The current generation.
    ///
    /// # Errors
    /// As for [`Self::read`], and when the pointer is damaged.
    pub(super) async fn read_valid(bucket: &Bucket) -> Result<Option<(Current, UpdateVersion)>, Error> {
        match Self::read(bucket).await? {
            None => Ok(None),
            Some(Self { current: Some(current), version }) => Ok(Some((current, version))),
            Some(_) => Err(damaged(bucket, CURRENT, "it names no generation")),
        }
    }
}

/// Makes `new` the current generation, if the pointer still has the version `before`. Whether it did.
///
/// # Errors
/// When it is unknown whether it did: `new` may be current, or may become so later.
pub(super) async fn swap(bucket: &Bucket, before: Option<&UpdateVersion>, new: &Current) -> Result<bool, Error> {
    let text = serde_json::to_vec(new).unwrap_or_default();
    let mut attempt = 0;
    loop {
        let mode = before.map_or(PutMode::Create, |version| PutMode::Update(version.clone()));
        let put = bucket.store.put_opts(&bucket.key(CURRENT), text.clone().into(), PutOptions::from(mode)).await;
        let Err(error) = put else { return Ok(true) };
        let found = Pointer::read(bucket).await?;
        if found.as_ref().and_then(|found| found.current.as_ref()).is_some_and(|current| current == new) {
            return Ok(true);
        }
        if found.map(|found| found.version.e_tag) != before.map(|before| before.e_tag.clone()) {
            return Ok(false);
        }
        attempt += 1;
        let is_refused = matches!(error, StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. });
        if is_refused || attempt == SWAP_ATTEMPTS {
            return Err(bucket.error("replace", CURRENT)(error));
        }
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..SWAP_DELAY_MS << attempt))).await;
    }
}
