//! Commits a task to a bucket: writes its manifest, so that what others wrote meanwhile is kept.
//!
//! The manifest is created on condition that there is none, or replaced on condition that it is the one that was read. After
//! any failure it is read again: if it came from this commit (`write_id`), or already says everything that this commit would
//! write, the commit is done. Otherwise the entry is reconciled with the manifest that is in the bucket now, and written again.
//!
//! Each round that fails because of another writer means that this writer has succeeded. So all writers end.
//!
//! `archived_at` grows with every write of a manifest, by a second at least: the clocks of two workers may differ, and a change of
//! `meta` leaves the time alone. So the later of two index entries is the one of the later manifest, and no manifest ever has the
//! bytes, and the ETag, of an earlier one: a write that arrives late can't replace what it was not made for.

use jiff::{SignedDuration, Timestamp};
use object_store::{Attribute, AttributeValue, Attributes, PutMode, PutOptions};

use super::backoff::Backoff;
use super::bucket::{Bucket, WRITE_ID_KEY};
use super::manifest_object::{ManifestObject, manifest_key, read_manifest_of};
use super::upload::UploadSettings;
use crate::domain::manifest::{self, TaskEntry};
use crate::domain::reconcile::reconcile;
use crate::layout::MANIFEST;
use crate::storage::{Error, blocking};

/// A longer answer is serialized on a thread that may block.
const LARGE: usize = 1 << 20;

/// Writes `mine`, whose files are published, as the task's manifest. `standing` is the manifest as it was read last, `base` the
/// entry from which `mine` was made. `replaces`: where another writer has changed the same file, `mine` wins. Returns the entry
/// that the manifest has now.
///
/// # Errors
/// When the store fails several times, or the manifest can't be replaced: see
/// [`read_manifest`](super::manifest_object::read_manifest).
pub(in crate::storage) async fn commit(
    bucket: &Bucket,
    standing: ManifestObject,
    base: Option<&TaskEntry>,
    mine: TaskEntry,
    replaces: bool,
) -> Result<TaskEntry, Error> {
    let backoff = Backoff::new(UploadSettings::default().first_delay);
    commit_with(bucket, standing, base, &mine, replaces, backoff).await
}

pub(super) async fn commit_with(
    bucket: &Bucket,
    mut standing: ManifestObject,
    base: Option<&TaskEntry>,
    mine: &TaskEntry,
    replaces: bool,
    mut backoff: Backoff,
) -> Result<TaskEntry, Error> {
    let write_id = format!("{:032x}", fastrand::u128(..));
    loop {
        let mut next = reconcile(base, standing.entry.as_ref(), mine.clone(), replaces);
        if let Some(entry) = standing.entry.as_ref().filter(|entry| next.eq_ignoring_archived_at(entry)) {
            return Ok(entry.clone());
        }
        if let Some(before) = &standing.entry {
            make_later(&mut next, before);
        }
        let Err(error) = write(bucket, &standing, &write_id, &next).await else { return Ok(next) };
        let found = match read_manifest_of(bucket, &mine.task_id, standing.is_named).await {
            Ok(found) => found,
            // The write is repeated on the same condition: if it was done, that shows.
            Err(error) => {
                backoff.wait(error).await?;
                continue;
            }
        };
        if let Some(entry) = found.entry.as_ref().filter(|_| found.write_id.as_ref() == Some(&write_id)) {
            return Ok(entry.clone());
        }
        if found.version == standing.version {
            backoff.wait(error).await?;
        } else {
            backoff.reset();
        }
        standing = found;
    }
}

/// Makes `archived_at` of `next` later than that of `before`, in whole seconds.
fn make_later(next: &mut TaskEntry, before: &TaskEntry) {
    let time = |entry: &TaskEntry| entry.archived_at.as_deref()?.parse::<Timestamp>().ok().map(Timestamp::as_second);
    let Some(before) = time(before).filter(|before| time(next).is_none_or(|next| next <= *before)) else { return };
    let later = Timestamp::from_second(before).and_then(|before| before.checked_add(SignedDuration::from_secs(1)));
    // No clock says the last second that there is.
    if let Ok(later) = later {
        next.archived_at = Some(later.to_string());
    }
}

/// Writes the manifest in place of `standing`.
async fn write(bucket: &Bucket, standing: &ManifestObject, write_id: &str, entry: &TaskEntry) -> Result<(), Error> {
    let key = manifest_key(&entry.task_id);
    let is_large = entry.response.as_ref().is_some_and(|response| response.raw().get().len() > LARGE);
    let text = if is_large {
        let entry = entry.clone();
        blocking(move || serialize(&entry)).await?
    } else {
        serialize(entry)?
    };
    let write_id = (Attribute::Metadata(WRITE_ID_KEY.into()), AttributeValue::from(write_id.to_owned()));
    let attributes = Attributes::from_iter([(Attribute::ContentType, "application/json".into()), write_id]);
    let mode = standing.version.clone().map_or(PutMode::Create, PutMode::Update);
    let options = PutOptions { mode, attributes, ..PutOptions::default() };
    bucket.store.put_opts(&bucket.key(&key), text.into(), options).await.map(drop).map_err(bucket.error("write", &key))
}

fn serialize(entry: &TaskEntry) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    manifest::write_task_manifest(&mut text, entry).map_err(Error::io("write", MANIFEST.as_ref()))?;
    Ok(text)
}
