//! What the bytes of a received file show: the facts in its headers, and what is wrong with it without being proof that it is no
//! media.
//!
//! Everything here becomes a fact or a warning in the manifest. A file is never refused here, and what can't be read is
//! unknown.

use std::io::{Read, Seek};

use crate::domain::asset_key::Kind;
use crate::domain::manifest::FileEntry;
use crate::media::facts::{self, MediaFacts};
use crate::media::media_type::{Head, MediaType};
use crate::media::truncation::{self, Cut};
use crate::storage::Sealed;

/// What the bytes of a file show.
pub(super) struct FileFacts {
    /// Who named the type: a declaration, or only the URL's path.
    claim: &'static str,
    type_fault: Option<TypeFault>,
    cut: Option<Cut>,
    media: MediaFacts,
}

/// How the bytes contradict the type.
enum TypeFault {
    /// They are of this type.
    Other(&'static str),
    /// They lack the signature of that type.
    MissingSignature,
}

impl FileFacts {
    /// Reads the facts of a file of this kind. `named` is its type, which nobody declared unless `is_declared`.
    pub(super) fn read(sealed: &Sealed, head: &Head<'_>, kind: Kind, named: Option<MediaType>, is_declared: bool) -> Self {
        let other = named.and_then(|named| head.mismatch(named)).map(TypeFault::Other);
        let unsigned = || named.filter(|named| head.lacks_signature(*named)).map(|_| TypeFault::MissingSignature);
        // A file that can't be opened again shows nothing.
        let reader = || sealed.reader().ok();
        Self {
            claim: if is_declared { "declared" } else { "named" },
            type_fault: other.or_else(unsigned),
            cut: reader().and_then(truncation::find_cut),
            media: reader().map(|file| read(file, kind, named)).unwrap_or_default(),
        }
    }

    /// Adds the facts to the entry of the file. `declared` is the duration that the API gave.
    pub(super) fn describe(self, entry: &mut FileEntry, declared: Option<f64>) {
        if entry.key().kind != Kind::Image {
            let measured = self.media.duration;
            entry.duration_source = match (declared, measured) {
                (Some(_), _) => Some("api".to_owned()),
                (None, Some(_)) => Some("media".to_owned()),
                (None, None) => None,
            };
            entry.duration_seconds = declared.or(measured);
            entry.measured_duration_seconds = measured;
        }
        if let (true, Some(declared), Some(measured)) = (entry.has_contradicting_durations(), declared, self.media.duration) {
            entry.warnings.push(format!("the API says that it lasts {declared} s, but the file lasts {measured} s"));
        }
        self.media.fill(entry);
        let content_type = entry.content_type.as_deref().unwrap_or_default();
        let claim = self.claim;
        match self.type_fault {
            Some(TypeFault::Other(detected)) => {
                entry.warnings.push(format!("{claim} as {content_type}, but its bytes are {detected}"));
                entry.detected_type = Some(detected.to_owned());
            }
            Some(TypeFault::MissingSignature) => {
                entry.warnings.push(format!("{claim} as {content_type}, but its bytes lack the signature of that type"));
            }
            None => {}
        }
        if let Some(cut) = self.cut {
            entry.warnings.push(format!("the file is cut: {cut}"));
        }
    }
}

/// Images have no duration, so it is not searched for.
fn read(file: impl Read + Seek + Send + Sync, kind: Kind, named: Option<MediaType>) -> MediaFacts {
    if kind == Kind::Image { facts::read_headers(file, named) } else { facts::read(file, named) }
}
