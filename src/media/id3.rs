//! `ID3` tags: they stand before MP3, and some writers put them before AAC, FLAC and AIFF, too.

/// A tag without content.
pub(super) const EMPTY_TAG: &[u8; 10] = b"ID3\x04\0\0\0\0\0\0";

/// The length of the tag at the beginning of `head`; 0 without a tag. The bytes of its version are below 255, and those of
/// its size below 128.
#[must_use]
pub(super) fn tag_length(head: &[u8]) -> u64 {
    match head {
        [b'I', b'D', b'3', 0..=0xFE, 0..=0xFE, flags, a @ 0..=0x7F, b @ 0..=0x7F, c @ 0..=0x7F, d @ 0..=0x7F, ..] => {
            let footer = if flags & 0x10 == 0 { 0 } else { 10 };
            [a, b, c, d].into_iter().fold(0, |sum, byte| sum << 7 | u64::from(*byte)) + 10 + footer
        }
        _ => 0,
    }
}

/// The bytes behind the tag at the beginning of `head`; `None` when the tag is longer.
#[must_use]
pub(super) fn behind_tag(head: &[u8]) -> Option<&[u8]> {
    head.get(usize::try_from(tag_length(head)).ok()?..)
}
