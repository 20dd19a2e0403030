//! Manifests in an `ID3` tag (MP3, FLAC): a frame `GEOB`, which is a file with its media type.

use std::io::{self, Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::id3;

/// The media types of a manifest store, in this and in older versions of C2PA.
const TYPES: [&[u8]; 2] = [b"application/c2pa\0", b"application/x-c2pa-manifest-store\0"];

/// Whether the tag at `start` has a frame with a manifest.
pub(super) fn has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let header = source.prefix_at(start, 16)?;
    let [b'I', b'D', b'3', version, _, flags, _, _, _, _, extension @ ..] = header.as_slice() else { return Ok(false) };
    let end = start + id3::tag_length(&header);
    let mut position = start + 10;
    if flags & 0x40 != 0 && *version > 2 {
        let size = extension.get(..4).map_or(0, |size| number(size, *version));
        // Only the later version counts these four bytes, too.
        position += size + if *version == 3 { 4 } else { 0 };
    }
    while position < end {
        // Names and sizes had three bytes at first.
        let (name_size, header_size) = if *version == 2 { (3, 6) } else { (4, 10) };
        let header = source.prefix_at(position, header_size)?;
        let Some((name, size)) = header.get(..2 * name_size).map(|header| header.split_at(name_size)) else { break };
        let (content, size) = (position + header_size as u64, number(size, *version));
        if name[0] == 0 {
            // Padding up to the end.
            break;
        }
        // Behind the encoding of the text.
        if matches!(name, b"GEO" | b"GEOB") && is_manifest_type(&source.prefix_at(content + 1, 40)?) {
            return Ok(true);
        }
        position = content + size;
    }
    Ok(false)
}

fn is_manifest_type(text: &[u8]) -> bool {
    TYPES.iter().any(|name| text.starts_with(name))
}

/// A size. From version 4 on, each byte has seven bits.
fn number(bytes: &[u8], version: u8) -> u64 {
    let bits = if version > 3 { 7 } else { 8 };
    bytes.iter().fold(0, |number, byte| number << bits | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::super::tests::has_manifest;

    fn tag(version: u8, flags: u8, parts: &[&[u8]]) -> Vec<u8> {
        let frames = parts.concat();
        let size = [u8::try_from(frames.len() >> 7).unwrap(), u8::try_from(frames.len() & 0x7F).unwrap()];
        [b"ID3".as_slice(), &[version, 0, flags, 0, 0], &size, &frames].concat()
    }

    #[test]
    fn tag_has_it_in_a_frame() {
        let file = b"\0application/x-c2pa-manifest-store\0c2pa\0manifest\0data".as_slice();
        let short = b"\0application/c2pa\0c2pa\0\0data".as_slice();
        let size = u8::try_from(file.len()).unwrap();
        let frame = [b"GEOB\0\0\0", [size].as_slice(), b"\0\0", file].concat();
        let title = [b"TIT2\0\0\x01\0\0\0".as_slice(), &[b'x'; 128]].concat();
        let old_title = [b"TIT2\0\0\0\x80\0\0".as_slice(), &[b'x'; 128]].concat();
        for start in [
            tag(4, 0, &[&title, &frame]),
            tag(3, 0, &[&old_title, &frame, &[0; 64]]),
            tag(4, 0, &[b"GEOB\0\0\0\x1C\0\0", short]),
            tag(4, 0x40, &[b"\0\0\0\x06\x01\0", &frame]),
            tag(3, 0x40, &[b"\0\0\0\x06\0\0\0\0\0\0", &frame]),
            tag(2, 0, &[b"TT2\0\0\x02xxGEO\0\0\x1C", short]),
        ] {
            assert!(has_manifest(&[&start, b"fLaC"]), "{}", start.escape_ascii());
            assert!(has_manifest(&[&tag(4, 0, &[&title]), &start]), "a second tag");
        }
        let named = [b"TXXX\0\0\0".as_slice(), &[size], b"\0\0", file].concat();
        for start in [tag(4, 0, &[&named]), tag(4, 0, &[&[0; 20], &frame]), tag(4, 0, &[b"GEOB\0\0\0\x0B\0\0\0image/jpeg\0"])] {
            assert!(!has_manifest(&[&start, b"fLaC"]), "{}", start.escape_ascii());
        }
    }
}
