//! What is in a body that its host packed without saying so: gzip or zlib.

use std::io::{self, Read};

use flate2::read::{MultiGzDecoder, ZlibDecoder};

use super::encoding::MIN_UNMARKED;
use super::non_media::TEXT_HEAD_SIZE;

/// The first bytes of what is packed.
pub(super) struct Content {
    pub bytes: Vec<u8>,
    /// Whether they are all of it.
    pub is_whole: bool,
}

pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1F, 0x8B, 8])
}

/// Whether it begins as zlib does. Text can do so, too: `x^2`.
pub(super) fn is_zlib(head: &[u8]) -> bool {
    matches!(head, [0x78, 0x01 | 0x5E | 0x9C | 0xDA, ..])
}

/// Unpacks a body; `None` when it is not packed, or is damaged from the beginning.
pub(super) fn unpack(head: &[u8], is_whole: bool) -> Option<Content> {
    let mut bytes = Vec::new();
    // What precedes an error counts: the head is usually cut.
    if is_gzip(head) {
        let read = MultiGzDecoder::new(head).take(TEXT_HEAD_SIZE as u64).read_to_end(&mut bytes);
        let ends_early = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        // A header, and nothing behind it.
        let is_bare = is_whole && bytes.is_empty() && read.as_ref().is_err_and(ends_early);
        let is_whole = read.is_ok() && bytes.len() < TEXT_HEAD_SIZE;
        return (is_whole || is_bare || !bytes.is_empty()).then_some(Content { bytes, is_whole });
    }
    if !is_zlib(head) {
        return None;
    }
    ZlibDecoder::new(head).take(TEXT_HEAD_SIZE as u64).read_to_end(&mut bytes).ok()?;
    let is_whole = is_whole && bytes.len() < TEXT_HEAD_SIZE;
    (bytes.len() >= MIN_UNMARKED).then_some(Content { bytes, is_whole })
}
