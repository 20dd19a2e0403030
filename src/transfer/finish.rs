//! Looks at what came: is it what was promised, what is it called, how long does it play?
//!
//! Bytes speak louder than headers: an HTML page, JSON or nothing at all is refused whatever it
//! calls itself, while media of another type than declared is kept, under the declared name, with a
//! warning. Runs in one blocking hop, from the last bytes to the recorded file, which waits to be durable.

use std::time::SystemTime;

use super::body_writer::WrittenBody;
use super::disk_space::SizeLimit;
use super::{DownloadJob, Error};
use crate::domain::asset_key::Kind;
use crate::domain::manifest::FileEntry;
use crate::domain::plan::KindFilter;
use crate::http::{self, ContentCoding, ResponseHead};
use crate::integrity::checksum::{self, DigestCheck};
use crate::layout;
use crate::media::duration;
use crate::media::media_type::{self, DeclaredType, MediaType};
use crate::storage::{Sealed, StagedFile};

/// A body that has come to its end.
pub(super) struct CompletedBody {
    pub written: WrittenBody,
    pub head: ResponseHead,
    /// How large it may become while its last bytes are written.
    pub limit: SizeLimit,
}

impl CompletedBody {
    pub(super) fn new(written: WrittenBody, head: ResponseHead) -> Self {
        Self { written, head, limit: SizeLimit::default() }
    }
}

/// Judges, names and records what came; none when it turned out to be of a kind that was not asked for.
pub(super) fn finish(order: &DownloadJob, arrival: CompletedBody, wanted: KindFilter) -> Result<Option<StagedFile>, Error> {
    let CompletedBody { written: poured, head, limit } = arrival;
    let sealed = poured.finish().map_err(|error| limit.explain(error))?.seal();
    let verified_by =
        match check_length(&sealed, &head).and_then(|()| reject_non_media(&sealed)).and_then(|()| verify_digests(&sealed, &head))
        {
            Ok(verified_by) => verified_by,
            Err(refused) => {
                sealed.discard();
                return Err(refused);
            }
        };
    let decided = resolve_media_type(order, &head, &sealed);
    let said = head.content_type.as_deref().and_then(media_type::kind_of_content_type);
    let slot = order.asset.key(said.or_else(|| decided.as_ref().map(|declared| declared.media_type.kind())));
    if !wanted.includes(slot.kind) {
        sealed.discard();
        return Ok(None);
    }
    let extension = decided.as_ref().map_or("bin", |declared| declared.media_type.extension());
    let name = format!("{}.{extension}", layout::file_stem(slot.kind, slot.index, order.asset.count));
    let measured = measure_duration(&sealed, slot.kind, decided.as_ref());
    let detected = decided.as_ref().and_then(|declared| media_type::mismatch(declared.media_type, sealed.head().0));

    let mut staged = order.parts.stage(sealed, slot, &name, order.modified)?;
    staged.update_entry(|entry| {
        entry.content_type = Some(decided.map_or_else(|| "application/octet-stream".to_owned(), |declared| declared.essence));
        entry.url = order.asset.recorded_url();
        entry.last_modified = head.last_modified.and_then(format_timestamp);
        entry.verified_by = verified_by.map(str::to_owned);
        describe_duration(entry, order.asset.duration, measured);
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

/// Whether as much came as the host promised in all; a length on the wire is none of what was encoded.
fn check_length(sealed: &Sealed, head: &ResponseHead) -> Result<(), Error> {
    match head.total.filter(|_| head.coding == ContentCoding::Identity) {
        Some(total) if total != sealed.size() => {
            Err(Error::Http(http::Error::Transient(format!("{} of {total} bytes came", sealed.size()))))
        }
        _ => Ok(()),
    }
}

fn reject_non_media(sealed: &Sealed) -> Result<(), Error> {
    let (head, is_whole) = sealed.head();
    if sealed.size() == 0 {
        return Err(Error::Rejected("the host sent an empty body".to_owned()));
    }
    match media_type::detect_non_media(head, is_whole) {
        Some(refusal) => Err(Error::Rejected(format!("the host sent {refusal} instead of media"))),
        None => Ok(()),
    }
}

/// Holds the file against what its host promises of it; the header that it agrees with.
fn verify_digests(sealed: &Sealed, head: &ResponseHead) -> Result<Option<&'static str>, Error> {
    match checksum::check(&head.expected_digests, sealed.sha256(), || sealed.reader()).map_err(Error::Write)? {
        DigestCheck::NotProvided => Ok(None),
        DigestCheck::Verified(header) => Ok(Some(header)),
        DigestCheck::Mismatch(header) => {
            Err(Error::Http(http::Error::Transient(format!("what came does not agree with the host's {header}"))))
        }
    }
}

/// The type that names the file: the API's, else the host's, else the bytes', else the path's.
fn resolve_media_type(order: &DownloadJob, head: &ResponseHead, sealed: &Sealed) -> Option<DeclaredType> {
    let of = |media_type: MediaType| DeclaredType { essence: media_type.essence().to_owned(), media_type };
    let declared = |content_type: &Option<String>| content_type.as_deref().and_then(media_type::parse_content_type);
    declared(&order.asset.content_type)
        .or_else(|| declared(&head.content_type))
        .or_else(|| media_type::from_bytes(sealed.head().0).map(of))
        .or_else(|| order.asset.type_by_path().map(of))
}

/// What the container says, in seconds. Images have no duration.
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
