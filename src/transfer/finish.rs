//! Checks a received file, names it and describes it: length, digests, media type, duration.
//!
//! The bytes count more than the headers. An HTML page, JSON or an empty body is refused whatever its headers say. Media of
//! another type than declared is kept under the declared name, with a warning. All of this is one call on a blocking thread,
//! from the last bytes to a staged file that is not durable yet.

use std::time::SystemTime;

use super::body_writer::WrittenBody;
use super::disk_space::SizeLimit;
use super::{DownloadJob, Error};
use crate::domain::asset_key::Kind;
use crate::domain::manifest::FileEntry;
use crate::domain::plan::KindFilter;
use crate::http::{self, ContentCoding, ResponseHead};
use crate::integrity::checksum::{self, DigestCheck, RepeatedMismatch};
use crate::layout;
use crate::media::duration;
use crate::media::media_type::{self, DeclaredType, MediaType};
use crate::storage::{Sealed, StagedFile};

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

/// Turns a body into a staged file; none when it is of a kind that was not asked for.
pub(super) fn finish(job: &DownloadJob, body: CompletedBody, kind_filter: KindFilter) -> Result<Option<StagedFile>, Error> {
    let CompletedBody { written, head, limit, mut mismatches } = body;
    let sealed = written.finish().map_err(|error| limit.explain(error))?.seal();
    let digest = match check_body(&sealed, &head, &mut mismatches) {
        Ok(digest) => digest,
        Err(error) => {
            sealed.discard();
            return Err(error);
        }
    };
    let decided = resolve_media_type(job, &head, &sealed);
    let header_kind = head.content_type.as_deref().and_then(media_type::kind_of_content_type);
    let key = job.asset.key(header_kind.or_else(|| decided.as_ref().map(|declared| declared.media_type.kind())));
    if !kind_filter.includes(key.kind) {
        sealed.discard();
        return Ok(None);
    }
    let extension = decided.as_ref().map_or("bin", |declared| declared.media_type.extension());
    let name = format!("{}.{extension}", layout::file_stem(key.kind, key.index, job.asset.count));
    let measured = measure_duration(&sealed, key.kind, decided.as_ref());
    let detected = decided.as_ref().and_then(|declared| media_type::mismatch(declared.media_type, sealed.head().0));

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
        describe_duration(entry, job.asset.duration, measured);
        if let Some(detected) = detected {
            entry.detected_type = Some(detected.to_owned());
            let declared = entry.content_type.as_deref().unwrap_or_default();
            entry.warnings.push(format!("declared as {declared}, but its bytes are {detected}"));
        }
        if !head.has_end {
            entry
                .warnings
                .push("the host gave neither a length nor an end mark: nothing shows that the file is whole".to_owned());
        }
    });
    Ok(Some(staged))
}

/// Checks the bytes against everything that the host said.
fn check_body(sealed: &Sealed, head: &ResponseHead, mismatches: &mut RepeatedMismatch) -> Result<DigestCheck, Error> {
    check_length(sealed, head)?;
    reject_non_media(sealed)?;
    verify_digests(sealed, head, mismatches)
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

fn reject_non_media(sealed: &Sealed) -> Result<(), Error> {
    let (head, is_complete) = sealed.head();
    if sealed.size() == 0 {
        return Err(Error::Rejected("the host sent an empty body".to_owned()));
    }
    match media_type::detect_non_media(head, is_complete) {
        Some(found) => Err(Error::Rejected(format!("the host sent {found} instead of media"))),
        None => Ok(()),
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

/// The type that gives the extension: declared by the API, else by the host, else from the bytes, else from the URL's path.
fn resolve_media_type(job: &DownloadJob, head: &ResponseHead, sealed: &Sealed) -> Option<DeclaredType> {
    let detected = |media_type: MediaType| DeclaredType { essence: media_type.essence().to_owned(), media_type };
    let declared = |content_type: &Option<String>| content_type.as_deref().and_then(media_type::parse_content_type);
    declared(&job.asset.content_type)
        .or_else(|| declared(&head.content_type))
        .or_else(|| media_type::from_bytes(sealed.head().0).map(detected))
        .or_else(|| job.asset.type_by_path().map(detected))
}

/// The duration in the container, in seconds. Images have none.
fn measure_duration(sealed: &Sealed, kind: Kind, decided: Option<&DeclaredType>) -> Option<f64> {
    if kind == Kind::Image {
        return None;
    }
    duration::probe_duration(sealed.reader().ok()?, decided.map(|declared| declared.media_type))
}

fn describe_duration(entry: &mut FileEntry, declared: Option<f64>, measured: Option<f64>) {
    if entry.key().kind == Kind::Image {
        return;
    }
    entry.duration_source = match (declared, measured) {
        (Some(_), _) => Some("api".to_owned()),
        (None, Some(_)) => Some("media".to_owned()),
        (None, None) => None,
    };
    entry.duration_seconds = declared.or(measured);
    entry.measured_duration_seconds = measured;
}

fn format_timestamp(time: SystemTime) -> Option<String> {
    let time = jiff::Timestamp::try_from(time).ok()?;
    Some(time.to_string())
}
