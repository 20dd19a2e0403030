//! Checks a received file, names it and describes it: length, digests, media type.
//!
//! The bytes count more than the headers. An empty body, and one that is text (an error page, JSON), is refused whatever its
//! headers say. Media of another type than declared is kept under the declared name, with a warning. All of this is one call,
//! from the last bytes to a staged file that is not durable yet: on a blocking thread, or right here for a small file in memory.

use std::time::SystemTime;

use super::body_writer::WrittenBody;
use super::disk_space::SizeLimit;
use super::inspect::FileFacts;
use super::{DownloadJob, Error};
use crate::domain::asset_key::Kind;
use crate::domain::plan::KindFilter;
use crate::http::{self, ContentCoding, ResponseHead};
use crate::integrity::checksum::{self, DigestCheck, RepeatedMismatch};
use crate::media::duration;
use crate::media::media_type::{self, DeclaredType, Head, MediaType};
use crate::storage::{Sealed, StagedFile, blocking};

/// A body that was received to its end.
pub(super) struct CompletedBody {
    pub written: WrittenBody,
    pub head: ResponseHead,
    /// The limit for its last bytes, which are written here.
    pub limit: SizeLimit,
    /// The digest mismatches of the attempts before.
    pub mismatches: RepeatedMismatch,
}

impl CompletedBody {
    pub(super) fn new(written: WrittenBody, head: ResponseHead) -> Self {
        Self { written, head, limit: SizeLimit::default(), mismatches: RepeatedMismatch::default() }
    }
}

/// As [`finish`]. A small body in memory takes less time than to wake another thread.
pub(super) async fn finish_body(
    job: &DownloadJob,
    body: CompletedBody,
    kind_filter: KindFilter,
) -> Result<Option<StagedFile>, Error> {
    if body.written.is_in_memory() && job.modified.is_none() {
        return finish(job, body, kind_filter);
    }
    let job = job.clone();
    blocking(move || finish(&job, body, kind_filter)).await
}

/// Turns a body into a staged file; none when it is of a kind that was not asked for.
pub(super) fn finish(job: &DownloadJob, body: CompletedBody, kind_filter: KindFilter) -> Result<Option<StagedFile>, Error> {
    let CompletedBody { written, head, limit, mut mismatches } = body;
    let sealed = written.finish().map_err(|error| limit.explain(error))?.seal();
    let checked = match check_body(job, &sealed, &head, &mut mismatches) {
        Ok(checked) => checked,
        Err(error) => {
            sealed.discard();
            return Err(error);
        }
    };
    let declared = declared_type(job, &head);
    let is_declared = declared.is_some();
    let decided = declared.or_else(|| undeclared_type(job, &checked.media_head, &sealed));
    let header_kind = declared_kind(&head);
    let key = job.asset.key(header_kind.or_else(|| decided.as_ref().map(|declared| declared.media_type.kind())));
    if !kind_filter.includes(key.kind) {
        drop(checked);
        sealed.discard();
        return Ok(None);
    }
    let extension = decided.as_ref().map_or("bin", |declared| declared.media_type.extension());
    let name = format!("{}.{extension}", job.stems.stem(key));
    let named = decided.as_ref().map(|decided| decided.media_type);
    let facts = FileFacts::read(&sealed, &checked.media_head, key.kind, named, is_declared);

    let digest = checked.digest;
    let mut staged = job.parts.stage(sealed, key, &name, job.modified)?;
    staged.update_entry(|entry| {
        entry.content_type = Some(decided.map_or_else(|| "application/octet-stream".to_owned(), |declared| declared.essence));
        entry.url = job.asset.recorded_url();
        entry.last_modified = head.last_modified.and_then(format_timestamp);
        match digest {
            DigestCheck::Verified(header) => entry.verified_by = Some(header.to_owned()),
            DigestCheck::Mismatch(mismatch) => entry.warnings.push(format!(
                "the bytes do not match the host's digest `{}`; three attempts brought the same bytes",
                mismatch.header()
            )),
            DigestCheck::NotProvided => {}
        }
        facts.describe(entry, job.asset.duration);
        if !head.has_end {
            entry
                .warnings
                .push("the host gave neither a length nor an end mark: nothing shows that the file is whole".to_owned());
        }
    });
    Ok(Some(staged))
}

/// What the checks of a body found out.
struct CheckedBody<'a> {
    media_head: Head<'a>,
    digest: DigestCheck,
}

/// Checks the bytes against everything that the host said.
fn check_body<'a>(
    job: &DownloadJob,
    sealed: &'a Sealed,
    head: &ResponseHead,
    mismatches: &mut RepeatedMismatch,
) -> Result<CheckedBody<'a>, Error> {
    check_length(sealed, head)?;
    let media_head = reject_non_media(job, sealed, head)?;
    Ok(CheckedBody { media_head, digest: verify_digests(sealed, head, mismatches)? })
}

/// Checks the total length. The length of an encoded body is not that of the file.
fn check_length(sealed: &Sealed, head: &ResponseHead) -> Result<(), Error> {
    match head.total.filter(|_| head.coding == ContentCoding::Identity) {
        Some(total) if total != sealed.size() => {
            Err(Error::Http(http::Error::Incomplete { received: sealed.size(), expected: total }))
        }
        _ => Ok(()),
    }
}

/// Refuses an empty body, and one that its bytes prove to be no media. A file may be a text that was declared as such.
fn reject_non_media<'a>(job: &DownloadJob, sealed: &'a Sealed, response: &ResponseHead) -> Result<Head<'a>, Error> {
    if sealed.size() == 0 {
        return Err(Error::Rejected("the host sent an empty body".to_owned()));
    }
    let (start, is_whole) = sealed.head();
    let head = Head::new(start, is_whole, || sealed.reader()).map_err(Error::Write)?;
    let is_expected = |found| {
        let claims = || job.asset.text_claims(response.content_type.as_deref());
        job.asset.kind == Some(Kind::File) && head.is_expected_text(found, claims())
    };
    match head.non_media() {
        Some(found) if is_expected(found) => Ok(head),
        Some(found) => Err(Error::Rejected(format!("the host sent {found} instead of media"))),
        None => Ok(head),
    }
}

/// Compares the file with the digests of its host. A mismatch is an error until it has come often enough.
fn verify_digests(sealed: &Sealed, head: &ResponseHead, mismatches: &mut RepeatedMismatch) -> Result<DigestCheck, Error> {
    match checksum::check(&head.expected_digests, sealed.sha256(), || sealed.reader()).map_err(Error::Write)? {
        DigestCheck::Mismatch(mismatch) if !mismatches.accepts(&mismatch) => {
            Err(Error::Http(http::Error::ChecksumMismatch(mismatch)))
        }
        check => Ok(check),
    }
}

/// The type that gives the extension: declared by the API, else by the host. For media, the type of a text says nothing: a text
/// would have been refused.
fn declared_type(job: &DownloadJob, head: &ResponseHead) -> Option<DeclaredType> {
    let is_file = job.asset.kind == Some(Kind::File);
    let declared = |content_type: &Option<String>| {
        let declared = content_type.as_deref().and_then(media_type::parse_content_type);
        declared.filter(|declared| is_file || !declared.media_type.is_text_file())
    };
    declared(&job.asset.content_type).or_else(|| declared(&head.content_type))
}

/// The kind that the host's type gives to a lone URL. Hosts call errors, and much else, a text.
fn declared_kind(head: &ResponseHead) -> Option<Kind> {
    let content_type = head.content_type.as_deref()?;
    let is_text = media_type::parse_content_type(content_type).is_some_and(|declared| declared.media_type.is_text_file());
    media_type::kind_of_content_type(content_type).filter(|_| !is_text)
}

/// The type that gives the extension when nobody declared one: from the bytes, else from the URL's path.
fn undeclared_type(job: &DownloadJob, bytes: &Head<'_>, sealed: &Sealed) -> Option<DeclaredType> {
    let detected = bytes.media_type().map(|media_type| audio_of_movie(media_type, sealed).unwrap_or(media_type));
    let media_type = detected.or_else(|| job.asset.type_by_path())?;
    Some(DeclaredType { essence: media_type.essence().to_owned(), media_type })
}

/// The audio type of an MP4 without pictures. Its first bytes are those of a video.
fn audio_of_movie(media_type: MediaType, sealed: &Sealed) -> Option<MediaType> {
    let is_audio = media_type.extension() == "mp4" && sealed.reader().is_ok_and(duration::is_audio_only);
    is_audio.then(MediaType::mp4_audio)
}

fn format_timestamp(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.to_string())
}
