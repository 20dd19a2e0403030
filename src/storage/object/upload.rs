//! Sends bytes to a bucket: from a local file or from memory, in one request or in parts, within a budget of memory.
//!
//! All bytes are hashed as they are read. If they are not those that were downloaded, the object is neither created nor
//! completed. A request holds its bytes in memory, so all uploads of a run share [`UploadBudget`].

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::{Attribute, AttributeValue, Attributes, MultipartUpload, PutMultipartOptions};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::bucket::SHA256_KEY;
use super::publish::Publisher;
use crate::integrity::digest::{Hasher, Sha256Hex};
use crate::storage::{Error, blocking};

/// The bytes that all uploads under way may hold.
const BUDGET: u64 = 128 << 20;
/// The unit of the budget.
const UNIT: u64 = 64 << 10;
/// The most parts that a store takes.
const MAX_PARTS: u64 = 10_000;

/// How files are uploaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct UploadSettings {
    /// A larger file is uploaded in parts.
    pub small_limit: u64,
    /// The size of a part, but for the last one.
    pub part_size: u64,
    /// The parts of one file that are sent at once.
    pub parallel_parts: usize,
    /// The delay before the second try.
    pub first_delay: Duration,
}

impl Default for UploadSettings {
    fn default() -> Self {
        Self { small_limit: 64 << 20, part_size: 16 << 20, parallel_parts: 4, first_delay: Duration::from_millis(100) }
    }
}

/// The memory that uploads may take. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct UploadBudget(Arc<Semaphore>);

impl Default for UploadBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(units(BUDGET) as usize)))
    }
}

impl UploadBudget {
    /// Waits for `bytes` of the budget, which are returned when the permit is dropped.
    pub(super) async fn reserve(&self, bytes: u64) -> OwnedSemaphorePermit {
        let permit = Arc::clone(&self.0).acquire_many_owned(units(bytes.min(BUDGET))).await;
        permit.expect("the semaphore is never closed")
    }
}

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// Where bytes come from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Memory(Bytes),
}

/// The bytes that an object is to have.
#[derive(Debug)]
pub(super) struct Content {
    pub source: Source,
    pub size: u64,
    pub sha256: Sha256Hex,
    pub content_type: Option<String>,
}

impl Content {
    /// What is recorded with the object.
    pub(super) fn attributes(&self) -> Attributes {
        let recorded = (Attribute::Metadata(SHA256_KEY.into()), AttributeValue::from(self.sha256.as_str().to_owned()));
        // A host may say anything, and the value becomes a header, which is signed.
        let is_plain =
            |value: &&String| value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && !value.contains("  ");
        let content_type = self.content_type.as_ref().filter(is_plain).map(|value| value.trim().to_owned());
        content_type.map(|value| (Attribute::ContentType, value.into())).into_iter().chain([recorded]).collect()
    }

    /// All bytes, which are those that the hash names.
    pub(super) async fn read_all(&self) -> Result<Bytes, Error> {
        let (reader, bytes) = self.open().await?.read(self.size).await?;
        reader.finish(&self.sha256)?;
        Ok(bytes)
    }

    async fn open(&self) -> Result<ContentReader, Error> {
        let source = match &self.source {
            Source::Memory(bytes) => OpenSource::Memory(bytes.clone()),
            Source::File(path) => {
                let path = path.clone();
                blocking(move || {
                    let file = File::open(&path).map_err(Error::io("read", &path))?;
                    Ok::<_, Error>(OpenSource::File(file, path))
                })
                .await?
            }
        };
        Ok(ContentReader { source, hasher: Hasher::default() })
    }
}

enum OpenSource {
    File(File, PathBuf),
    Memory(Bytes),
}

/// Reads content once, in order, and hashes it.
struct ContentReader {
    source: OpenSource,
    hasher: Hasher,
}

impl ContentReader {
    /// The next bytes, exactly so many.
    async fn read(mut self, size: u64) -> Result<(Self, Bytes), Error> {
        if let OpenSource::Memory(bytes) = &mut self.source {
            let next = bytes.split_to(usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len()));
            self.hasher.update(&next);
            return Ok((self, next));
        }
        blocking(move || {
            let OpenSource::File(file, path) = &mut self.source else { return Ok((self, Bytes::new())) };
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
            let read = file.take(size).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
            if read as u64 != size {
                return Err(changed(path.clone()));
            }
            self.hasher.update(&bytes);
            Ok((self, bytes.into()))
        })
        .await
    }

    /// Checks that what was read has this hash.
    fn finish(self, sha256: &Sha256Hex) -> Result<(), Error> {
        let path = match self.source {
            OpenSource::File(_, path) => path,
            OpenSource::Memory(_) => PathBuf::new(),
        };
        if self.hasher.finish() == *sha256 { Ok(()) } else { Err(changed(path)) }
    }
}

impl Publisher {
    /// Uploads all parts of the object `relative`, which does not exist before the upload is completed. What an upload that is
    /// never completed leaves is removed by a lifecycle rule of the bucket.
    pub(super) async fn upload_parts(&self, relative: &str, content: &Content) -> Result<Box<dyn MultipartUpload>, Error> {
        let options = PutMultipartOptions { attributes: content.attributes(), ..PutMultipartOptions::default() };
        let begun = self.bucket.store.put_multipart_opts(&self.bucket.key(relative), options).await;
        let mut upload = begun.map_err(self.bucket.error("begin to upload", relative))?;
        match self.send_parts(upload.as_mut(), relative, content).await {
            Ok(()) => Ok(upload),
            Err(error) => {
                abort(upload).await;
                Err(error)
            }
        }
    }

    async fn send_parts(&self, upload: &mut dyn MultipartUpload, relative: &str, content: &Content) -> Result<(), Error> {
        let part_size = self.settings.part_size.max(content.size.div_ceil(MAX_PARTS));
        let (mut reader, mut left) = (content.open().await?, content.size);
        // Tasks, because a part must go on while this waits for the budget: another upload may wait for what it gives back.
        let mut parts = JoinSet::new();
        while left > 0 {
            if parts.len() >= self.settings.parallel_parts {
                self.join_part(&mut parts, relative).await?;
            }
            let size = left.min(part_size);
            let permit = self.budget.reserve(size).await;
            let (rest, bytes) = reader.read(size).await?;
            (reader, left) = (rest, left - size);
            let part = upload.put_part(bytes.into());
            parts.spawn(async move {
                let sent = part.await;
                drop(permit);
                sent
            });
        }
        while !parts.is_empty() {
            self.join_part(&mut parts, relative).await?;
        }
        reader.finish(&content.sha256)
    }

    async fn join_part(&self, parts: &mut JoinSet<object_store::Result<()>>, relative: &str) -> Result<(), Error> {
        match parts.join_next().await {
            None => Ok(()),
            Some(Ok(sent)) => sent.map_err(self.bucket.error("upload", relative)),
            Some(Err(_)) => Err(Error::Panicked),
        }
    }
}

/// Lets the store drop the parts of an upload.
pub(super) async fn abort(mut upload: Box<dyn MultipartUpload>) {
    // A lifecycle rule of the bucket removes what is left.
    let _ = upload.abort().await;
}

fn changed(path: PathBuf) -> Error {
    let source = io::Error::new(io::ErrorKind::InvalidData, "its bytes changed after it was downloaded");
    Error::Unreadable { path, source }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn uploads_wait_for_the_budget_and_a_huge_part_takes_all_of_it() {
        let budget = UploadBudget::default();
        let first = budget.reserve(100 << 20).now_or_never().unwrap();
        assert!(budget.clone().reserve(29 << 20).now_or_never().is_none());
        let second = budget.reserve(28 << 20).now_or_never().unwrap();
        drop((first, second));
        let all = budget.reserve(10 * BUDGET).now_or_never().unwrap();
        assert!(budget.reserve(1).now_or_never().is_none());
        drop(all);
    }

    #[test]
    fn media_type_that_is_no_plain_header_is_left_out() {
        for (content_type, is_kept) in [
            ("text/plain; charset=utf-8", true),
            ("video/mp4\r\nx-amz-acl: public-read", false),
            ("video/mp4;  a", false),
            ("vidéo", false),
        ] {
            let (source, sha256) = (Source::Memory(Bytes::new()), Sha256Hex::digest(b""));
            let content = Content { source, size: 0, sha256, content_type: Some(content_type.to_owned()) };
            assert_eq!(content.attributes().get(&Attribute::ContentType).is_some(), is_kept, "{content_type}");
        }
    }
}
