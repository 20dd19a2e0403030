//! The archive's mark, and the proof that the store honours conditional writes.
//!
//! The mark `PREFIX/.yescale/archive.json` says that this program wrote the archive, and in which version of its layout. A mark
//! that something else or a later version wrote is refused before anything is written.
//!
//! The whole protocol rests on two conditions: an object is created only if it is absent, and replaced only if it has a known
//! ETag. Some servers ignore them and answer 200. So each run tries both with the mark: creating it again must fail, and
//! replacing it with a wrong ETag must fail. Both requests carry the bytes that the mark has, so that a server which ignores
//! the conditions changes nothing. A lost answer or a passing conflict proves nothing, and the request is repeated.

use std::path::PathBuf;
use std::time::Duration;

use object_store::{Error as StoreError, ObjectStoreExt, PutMode, PutOptions, PutResult, UpdateVersion};
use serde::Deserialize;

use super::bucket::Bucket;
use super::error::{is_absent, is_passing_conflict};
use crate::storage::Error;
use crate::storage::error::{BucketError, BucketFault};

/// The mark, below the prefix.
const MARK: &str = ".yescale/archive.json";
/// What the mark holds. Never changed: the mark of an archive keeps its bytes.
const MARK_BYTES: &[u8] = b"{\"archive_version\":1,\"generator\":\"yescale-dl\"}\n";
/// The version of the layout that this program reads and writes.
const ARCHIVE_VERSION: u64 = 1;
/// A larger object is no mark.
const MAX_MARK_LEN: u64 = 64 << 10;
/// How often a request is made whose answer proves nothing. `object_store` has repeated each several times.
const ATTEMPTS: u32 = 5;

/// Proves that a run may write to the archive. Creates the mark of a new archive.
///
/// # Errors
/// [`Error::Bucket`], [`Error::Foreign`] or [`Error::Newer`]: nothing must be written.
pub(in crate::storage) async fn probe(bucket: &Bucket) -> Result<(), Error> {
    let mark = match read_mark(bucket).await? {
        Some(mark) => mark,
        None => create_mark(bucket).await?,
    };
    prove(bucket, Condition::Absent, &mark).await?;
    prove(bucket, Condition::ETag, &mark).await
}

/// Checks that the archive, if there is one, is one which this program can read.
///
/// # Errors
/// As [`probe`].
pub(in crate::storage) async fn refuse_foreign(bucket: &Bucket) -> Result<(), Error> {
    read_mark(bucket).await.map(drop)
}

/// Checks that there is an archive which this program can read.
///
/// # Errors
/// [`Error::NoArchive`] without a mark, else as [`probe`].
pub(in crate::storage) async fn require_archive(bucket: &Bucket) -> Result<(), Error> {
    match read_mark(bucket).await? {
        Some(_) => Ok(()),
        None => Err(Error::NoArchive(PathBuf::from(bucket.url.to_string()))),
    }
}

/// The bytes of the mark, if there is one.
async fn read_mark(bucket: &Bucket) -> Result<Option<Vec<u8>>, Error> {
    let answer = match bucket.store.get(&bucket.key(MARK)).await {
        Err(error) if is_absent(&error) => return Ok(None),
        answer => answer.map_err(bucket.error("read", MARK))?,
    };
    let path = PathBuf::from(bucket.url_of(MARK));
    if answer.meta.size > MAX_MARK_LEN {
        return Err(Error::Foreign(path));
    }
    let bytes = answer.bytes().await.map_err(bucket.error("read", MARK))?;
    match serde_json::from_slice::<Mark>(&bytes) {
        Ok(Mark { archive_version: ARCHIVE_VERSION }) => Ok(Some(bytes.to_vec())),
        Ok(Mark { archive_version: version }) if version > ARCHIVE_VERSION => Err(Error::Newer { path, version }),
        _ => Err(Error::Foreign(path)),
    }
}

/// What is read of the mark. Later versions may have more fields.
#[derive(Deserialize)]
struct Mark {
    archive_version: u64,
}

/// Creates the mark, and returns its bytes. Another worker may be faster.
async fn create_mark(bucket: &Bucket) -> Result<Vec<u8>, Error> {
    for attempt in 1.. {
        let error = match put_mark(bucket, MARK_BYTES, PutMode::Create).await {
            Ok(_) => return Ok(MARK_BYTES.to_vec()),
            Err(error) => bucket.error("create", MARK)(error),
        };
        // Whatever the error is, the mark may be there.
        if let Some(mark) = read_mark(bucket).await? {
            return Ok(mark);
        }
        if attempt == ATTEMPTS || error.is_bucket_refusal() {
            return Err(error);
        }
        wait(attempt).await;
    }
    unreachable!("the last attempt returns")
}

/// A condition of a write that does not hold for the mark.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Condition {
    /// The object does not exist.
    Absent,
    /// The object has another ETag.
    ETag,
}

impl Condition {
    fn mode(self) -> PutMode {
        match self {
            Self::Absent => PutMode::Create,
            // S3 and Azure compare the ETag, GCS the generation, which is a time in microseconds.
            Self::ETag => PutMode::Update(UpdateVersion {
                e_tag: Some("\"00000000000000000000000000000000\"".to_owned()),
                version: Some("1".to_owned()),
            }),
        }
    }

    /// Whether the store refused the write because of the condition.
    fn is_refusal(self, error: &StoreError) -> bool {
        match self {
            Self::Absent => matches!(error, StoreError::AlreadyExists { .. }) && !is_passing_conflict(error),
            Self::ETag => matches!(error, StoreError::Precondition { .. }),
        }
    }

    fn header(self) -> &'static str {
        match self {
            Self::Absent => "If-None-Match",
            Self::ETag => "If-Match",
        }
    }
}

/// Proves that a write of the mark fails when `condition` does not hold.
async fn prove(bucket: &Bucket, condition: Condition, mark: &[u8]) -> Result<(), Error> {
    for attempt in 1.. {
        let error = match put_mark(bucket, mark, condition.mode()).await {
            Ok(_) => return Err(conditions_ignored(bucket, condition, "wrote an object although its condition did not hold")),
            Err(error) if condition.is_refusal(&error) => return Ok(()),
            Err(StoreError::NotImplemented { .. }) => {
                return Err(conditions_ignored(bucket, condition, "does not offer it (see AWS_CONDITIONAL_PUT)"));
            }
            Err(error) => bucket.error("check the conditional writes of", MARK)(error),
        };
        if attempt == ATTEMPTS || error.is_bucket_refusal() {
            return Err(error);
        }
        wait(attempt).await;
    }
    unreachable!("the last attempt returns")
}

async fn put_mark(bucket: &Bucket, bytes: &[u8], mode: PutMode) -> object_store::Result<PutResult> {
    bucket.store.put_opts(&bucket.key(MARK), bytes.to_vec().into(), PutOptions::from(mode)).await
}

/// Waits before the next attempt, longer each time, and not as long as the other workers.
async fn wait(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(50..100) << attempt)).await;
}

fn conditions_ignored(bucket: &Bucket, condition: Condition, what: &str) -> Error {
    let message = format!(
        "the store ignores conditional writes ({}): it {what}. Two workers would overwrite each other's files there. Use a \
         store that honours them, such as AWS S3, R2 or a current MinIO, or a local folder",
        condition.header()
    );
    let source = BucketError { fault: BucketFault::ConditionsIgnored, message };
    Error::Bucket { action: "keep an archive in", url: bucket.url.to_string(), source }
}

#[cfg(test)]
mod tests;
