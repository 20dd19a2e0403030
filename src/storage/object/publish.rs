//! Gives a file its final name in a bucket, whatever other writers do at the same moment.
//!
//! A file has two possible names: the plain one (`video-1.mp4`) and, when other bytes have that, the suffixed one, which contains
//! the first 16 digits of its hash. [`Publisher::publish`] returns the name that it won. From then on the object of that name
//! has the bytes of the file, for ever. Any number of writers may publish the same asset, with the same bytes or with others.
//!
//! # Small files
//!
//! A small file is created on condition that nothing has its name. After any error, and after "already exists", the object is
//! looked at: its recorded hash shows whether the name is ours, taken, or still free. "Already exists" proves nothing, because
//! some stores answer it to two requests that collide; an error proves nothing, because the answer may be lost.
//!
//! # Large files
//!
//! An upload in parts can't be conditional. So a large file first creates a reservation of the name, with its hash. The writer
//! with the reservation checks whether the name is free, and uploads if it is. All writers with the same bytes share the
//! reservation: they write the same bytes to the name, so the order does not matter.
//!
//! # Small and large files of one asset
//!
//! Both kinds of writer first announce themselves, then look for the other:
//! - large: create the reservation, then look at the name (an earlier look only saves the reservation);
//! - small: create the object (or find its own bytes there), then look at the reservation.
//!
//! Suppose that both keep the plain name for different bytes. The large one looked at the name before the small one's object was
//! there. So its reservation was there before that object, and the small one, which looked after that, saw it: a contradiction.
//! Stores are strongly consistent, so a look sees all that ended before it began. The proof does not depend on how long a
//! request takes, nor on a writer that dies: an object or a reservation that appears late only makes others take their suffixed
//! names. (A small object whose writer gave the name up may be replaced by the upload of a large one. No manifest names it.)
//!
//! The suffixed name needs no reservation: it says its hash. Two files whose hashes begin alike are told apart by the whole hash;
//! the second is an error.
//!
//! # Damaged objects
//!
//! With [`Proof::Body`] an object counts as ours only after its body was read and hashed: its recorded hash may be right although
//! its bytes are damaged. A damaged object keeps the plain name, so readers of an old manifest see no other bytes than before. A
//! damaged object under its suffixed name is replaced, on condition that it is still the damaged one.

use std::path::PathBuf;

use bytes::Bytes;
use futures::StreamExt;
use object_store::{Attribute, GetOptions, GetResult, PutMode, PutOptions, UpdateVersion};

use super::backoff::Backoff;
use super::bucket::{Bucket, SHA256_KEY};
use super::error::is_absent;
use super::reservation;
use super::upload::{self, Content, Source, UploadBudget, UploadSettings};
use crate::integrity::digest::{Hasher, Sha256Hex};
use crate::layout;
use crate::storage::Error;

/// A complete file on the local disk, to be published.
#[derive(Debug)]
pub(in crate::storage) struct FileToPublish {
    /// Where it is now.
    pub path: PathBuf,
    /// Its plain name in the task's folder: `video-1.mp4`.
    pub name: String,
    /// Its size.
    pub size: u64,
    /// The hash of its bytes. They are hashed again while they are uploaded.
    pub sha256: Sha256Hex,
    /// Its media type.
    pub content_type: Option<String>,
}

/// What proves that an object has the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::storage) enum Proof {
    /// Its recorded hash. The body is read only if no hash is recorded.
    Recorded,
    /// Its body: for `--force` and `repair`, which must not take a damaged object for a whole one.
    Body,
}

/// Publishes the files of a run. Clones share one budget of memory.
#[derive(Clone, Debug)]
pub(in crate::storage) struct Publisher {
    pub(super) bucket: Bucket,
    pub(super) budget: UploadBudget,
    pub(super) settings: UploadSettings,
}

/// A name in the bucket that a file may get.
struct Target<'a> {
    /// The key below the archive's prefix: `TASK/video-1.mp4`.
    relative: &'a str,
    /// The key of the reservation. A suffixed name has none.
    reservation: Option<String>,
}

/// What a name is to a file.
#[derive(Debug)]
enum NameState {
    /// Its object has the bytes of the file.
    Ours,
    /// Other bytes have it, or a reservation of it.
    Taken,
    /// It can be written, on this condition.
    Free(PutMode),
}

impl NameState {
    /// Whether the file has the name; none if that is still to be decided by writing.
    fn decided(&self) -> Option<bool> {
        match self {
            Self::Ours => Some(true),
            Self::Taken => Some(false),
            Self::Free(_) => None,
        }
    }
}

impl Target<'_> {
    fn is_suffixed(&self) -> bool {
        self.reservation.is_none()
    }
}

impl Publisher {
    /// A publisher for the archive in `bucket`.
    pub(in crate::storage) fn new(bucket: Bucket) -> Self {
        Self::with_settings(bucket, UploadSettings::default())
    }

    pub(super) fn with_settings(bucket: Bucket, settings: UploadSettings) -> Self {
        Self { bucket, budget: UploadBudget::default(), settings }
    }

    /// Publishes a file in the task's `folder`. Returns the name that it got, the plain or the suffixed one.
    ///
    /// # Errors
    /// When the store fails several times, or the local file is not what `file` says. An object of the file may exist then, which
    /// no manifest names.
    pub(in crate::storage) async fn publish(&self, folder: &str, file: FileToPublish, proof: Proof) -> Result<String, Error> {
        let FileToPublish { path, name, size, sha256, content_type } = file;
        self.publish_content(folder, &name, &Content { source: Source::File(path), size, sha256, content_type }, proof).await
    }

    /// Publishes a task's text as `text.txt`, or under its suffixed name. Returns that name.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub(in crate::storage) async fn publish_text(&self, folder: &str, text: &str, proof: Proof) -> Result<String, Error> {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let (size, sha256) = (bytes.len() as u64, Sha256Hex::digest(&bytes));
        let content_type = Some("text/plain; charset=utf-8".to_owned());
        self.publish_content(folder, layout::TEXT, &Content { source: Source::Memory(bytes), size, sha256, content_type }, proof)
            .await
    }

    pub(super) async fn publish_content(
        &self,
        folder: &str,
        name: &str,
        content: &Content,
        proof: Proof,
    ) -> Result<String, Error> {
        let plain = format!("{folder}/{name}");
        let reservation = Some(reservation::key(folder, name));
        if self.claim(&Target { relative: &plain, reservation }, content, proof).await? {
            return Ok(name.to_owned());
        }
        let name = layout::suffixed_name(name, &content.sha256);
        let suffixed = format!("{folder}/{name}");
        match self.claim(&Target { relative: &suffixed, reservation: None }, content, proof).await? {
            true => Ok(name),
            false => Err(Error::Foreign(self.bucket.url_of(&suffixed).into())),
        }
    }

    /// Tries to get a name, again after errors that may pass. Whether the file has it now.
    async fn claim(&self, target: &Target<'_>, content: &Content, proof: Proof) -> Result<bool, Error> {
        let mut backoff = Backoff::new(self.settings.first_delay);
        loop {
            let attempt = match content.size > self.settings.small_limit {
                true => self.claim_large(target, content, proof).await,
                false => self.claim_small(target, content, proof).await,
            };
            match attempt {
                Ok(is_ours) => return Ok(is_ours),
                Err(error) => backoff.wait(error).await?,
            }
        }
    }

    async fn claim_small(&self, target: &Target<'_>, content: &Content, proof: Proof) -> Result<bool, Error> {
        // Where an object probably exists, a look is cheaper than an upload that is refused.
        let look_first = target.is_suffixed() || proof == Proof::Body;
        let before = if look_first { self.look(target, content, proof).await? } else { NameState::Free(PutMode::Create) };
        let is_ours = match before {
            NameState::Ours => true,
            NameState::Taken => false,
            NameState::Free(condition) => match self.put(target, content, condition).await {
                Ok(()) => true,
                Err(error) => self.settle(target, content, proof, error).await?,
            },
        };
        match &target.reservation {
            // In this order: see the proof above.
            Some(key) if is_ours => Ok(!reservation::is_held_by_other(&self.bucket, key, &content.sha256).await?),
            _ => Ok(is_ours),
        }
    }

    async fn claim_large(&self, target: &Target<'_>, content: &Content, proof: Proof) -> Result<bool, Error> {
        if let Some(key) = &target.reservation {
            // No reservation of a name that is taken: a small file that owns it would have to give it up.
            let is_taken = matches!(self.look(target, content, Proof::Recorded).await?, NameState::Taken);
            if is_taken || !reservation::create(&self.bucket, key, &content.sha256).await? {
                return Ok(false);
            }
        }
        if let Some(is_ours) = self.look(target, content, proof).await?.decided() {
            return Ok(is_ours);
        }
        let mut upload = self.upload_parts(target.relative, content).await?;
        // The second look makes it rare that the upload replaces an object whose writer gave the name up.
        let is_ours = match self.look(target, content, proof).await.map(|state| state.decided()) {
            Ok(None) => match upload.complete().await.map_err(self.bucket.error("complete", target.relative)) {
                Ok(_) => return Ok(true),
                Err(error) => return self.settle(target, content, proof, error).await,
            },
            Ok(Some(is_ours)) => Ok(is_ours),
            Err(error) => Err(error),
        };
        upload::abort(upload).await;
        is_ours
    }

    /// Whether a write that ended with `error` gave the file the name after all: the answer may be lost, or be about another
    /// request.
    async fn settle(&self, target: &Target<'_>, content: &Content, proof: Proof, error: Error) -> Result<bool, Error> {
        self.look(target, content, proof).await?.decided().ok_or(error)
    }

    /// Writes a small file with one request.
    async fn put(&self, target: &Target<'_>, content: &Content, mode: PutMode) -> Result<(), Error> {
        let _permit = self.budget.reserve(content.size).await;
        let bytes = content.read_all().await?;
        let options = PutOptions { mode, attributes: content.attributes(), ..PutOptions::default() };
        let put = self.bucket.store.put_opts(&self.bucket.key(target.relative), bytes.into(), options).await;
        put.map(drop).map_err(self.bucket.error("write", target.relative))
    }

    /// Compares the object of a name, if there is one, with a file.
    async fn look(&self, target: &Target<'_>, content: &Content, proof: Proof) -> Result<NameState, Error> {
        let Some(head) = self.get(target, GetOptions::new().with_head(true)).await? else {
            return Ok(NameState::Free(PutMode::Create));
        };
        let recorded = head.attributes.get(&Attribute::Metadata(SHA256_KEY.into()));
        let is_recorded = recorded.map(|hash| hash.as_ref() == content.sha256.as_str());
        let has_size = head.meta.size == content.size;
        if is_recorded == Some(true) && has_size && proof == Proof::Recorded {
            return Ok(NameState::Ours);
        }
        if !target.is_suffixed() && (is_recorded == Some(false) || !has_size) {
            return Ok(NameState::Taken);
        }
        let Some(object) = self.get(target, GetOptions::new()).await? else { return Ok(NameState::Free(PutMode::Create)) };
        let version = UpdateVersion { e_tag: object.meta.e_tag.clone(), version: object.meta.version.clone() };
        let (mut hasher, mut body) = (Hasher::default(), object.into_stream());
        while let Some(chunk) = body.next().await {
            hasher.update(&chunk.map_err(self.bucket.error("read", target.relative))?);
        }
        let body = hasher.finish();
        Ok(if body == content.sha256 {
            NameState::Ours
        } else if target.is_suffixed() && !layout::have_same_suffix(&body, &content.sha256) {
            // The name says which bytes belong there: these are damaged.
            NameState::Free(PutMode::Update(version))
        } else {
            NameState::Taken
        })
    }

    async fn get(&self, target: &Target<'_>, options: GetOptions) -> Result<Option<GetResult>, Error> {
        match self.bucket.store.get_opts(&self.bucket.key(target.relative), options).await {
            Err(error) if is_absent(&error) => Ok(None),
            found => found.map(Some).map_err(self.bucket.error("read", target.relative)),
        }
    }
}
