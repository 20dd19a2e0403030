//! The boxes of ISO media files (MP4, MOV, M4A, AVIF, HEIC) at the top level.
//!
//! A file may begin with any of them. Old `QuickTime` files have no `ftyp`, and a segment of a stream begins with its index.

/// The boxes that begin a file, or follow each other.
const TOP_LEVEL_BOXES: [&[u8; 4]; 22] = [
    b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"meta", b"meco", b"free", b"skip", b"wide", b"junk", b"uuid", b"udta", b"styp",
    b"sidx", b"ssix", b"emsg", b"prft", b"pdin", b"pnot", b"pict", b"imda",
];

/// Whether boxes of this type are known at the top level.
pub(super) fn is_top_level(kind: &[u8]) -> bool {
    TOP_LEVEL_BOXES.iter().any(|known| kind == *known)
}

/// Whether it can be the type of a box: four printable characters. `QuickTime` uses the copyright sign, too.
pub(super) fn is_kind(kind: &[u8]) -> bool {
    kind.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xA9))
}
