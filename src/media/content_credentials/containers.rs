//! Manifests in containers: ISO media files, RIFF and Ogg.

use std::io::{self, Read, Seek};

use super::is_store_at;
use crate::media::bounded_reader::BoundedReader;

/// The `uuid` box of C2PA.
const BOX_ID: [u8; 16] = *b"\xD8\xFE\xC3\xD6\x1B\x0E\x48\x3C\x92\x97\x58\x28\x87\x7E\xC4\x81";
/// What such a box can hold, when it is not only hashes of fragments (`merkle`).
const PURPOSES: [&[u8; 7]; 3] = [b"manifes", b"origina", b"update\0"];

/// Looks for a `uuid` box among the boxes at the top level, and in JPEG XL for the store itself.
pub(super) fn iso_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut position = start;
    while let Some([a, b, c, d, kind @ ..]) = source.array_at::<8>(position)? {
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 => (8, source.length() - position),
            1 => match source.array_at(position + 8)? {
                Some(size) => (16, u64::from_be_bytes(size)),
                None => break,
            },
            size => (8, size.into()),
        };
        match &kind {
            b"uuid" if is_manifest_box(source, position + header)? => return Ok(true),
            b"jumb" if is_store_at(source, position)? => return Ok(true),
            _ if size < header => break,
            _ => {}
        }
        match position.checked_add(size) {
            Some(end) => position = end,
            None => break,
        }
    }
    Ok(false)
}

/// Whether the content of a `uuid` box is a manifest: the id, a version with flags, the purpose.
fn is_manifest_box(source: &mut BoundedReader<impl Read + Seek>, content: u64) -> io::Result<bool> {
    let Some(head) = source.array_at::<27>(content)? else { return Ok(false) };
    Ok(head.starts_with(&BOX_ID) && PURPOSES.iter().any(|purpose| head.ends_with(*purpose)))
}

/// Looks for a chunk `C2PA`. A large AVI is a row of RIFF chunks.
pub(super) fn riff_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut position = start;
    let mut size_of_data = None;
    let mut number: fn([u8; 4]) -> u32 = u32::from_le_bytes;
    while let Some([kind @ .., a, b, c, d]) = source.array_at::<8>(position)? {
        let mut size = u64::from(number([a, b, c, d]));
        match &kind {
            b"RIFF" | b"RIFX" | b"RF64" | b"BW64" => {
                if &kind == b"RIFX" {
                    number = u32::from_be_bytes;
                }
                // The chunks inside, behind the type.
                size = 4;
            }
            b"C2PA" if is_store_at(source, position + 8)? => return Ok(true),
            b"ds64" => size_of_data = source.array_at(position + 16)?.map(u64::from_le_bytes),
            b"data" if size == u64::from(u32::MAX) => size = size_of_data.unwrap_or(size),
            _ => {}
        }
        match position.checked_add(8).and_then(|content| content.checked_add(size.checked_next_multiple_of(2)?)) {
            Some(end) => position = end,
            None => break,
        }
    }
    Ok(false)
}

/// Looks for a stream of C2PA: all streams begin before the first data.
pub(super) fn ogg_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut position = start;
    while let Some(header) = source.array_at::<27>(position)? {
        let [b'O', b'g', b'g', b'S', 0, flags, ..] = header else { break };
        if flags & 2 == 0 {
            break;
        }
        let table = source.prefix_at(position + 27, header[26].into())?;
        let content = position + 27 + u64::from(header[26]);
        if source.array_at(content)? == Some(*b"\0c2pa") {
            return Ok(true);
        }
        position = content + table.iter().map(|size| u64::from(*size)).sum::<u64>();
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{has_manifest, store};
    use super::*;

    const TYPE: &[u8] = b"\0\0\0\x14ftypisom\0\0\0\0isom";

    fn uuid_box(purpose: &[u8]) -> Vec<u8> {
        let content = [BOX_ID.as_slice(), &[0; 4], purpose, &[0; 8], &store()].concat();
        [&u32::try_from(content.len() + 8).unwrap().to_be_bytes(), b"uuid".as_slice(), &content].concat()
    }

    #[test]
    fn iso_file_has_it_in_a_uuid_box() {
        let data = b"\0\0\0\x0Cmdat....".as_slice();
        let long = [b"\0\0\0\x01uuid\0\0\0\0\0\0\0\x70".as_slice(), &uuid_box(b"manifest\0")[8..]].concat();
        for parts in [
            [TYPE, &uuid_box(b"manifest\0"), data].as_slice(),
            &[TYPE, data, &uuid_box(b"manifest\0")],
            &[TYPE, data, &long],
            &[TYPE, &uuid_box(b"original\0"), &uuid_box(b"update\0")],
            &[b"\0\0\0\x1Cftypavif\0\0\0\0mif1avifmiaf", &uuid_box(b"manifest\0")],
            &[b"\0\0\0\x0CJXL \r\n\x87\n", TYPE, &store()],
        ] {
            assert!(has_manifest(parts));
        }
        let other = [&uuid_box(b"manifest\0")[..8], &[1; 60]].concat();
        for parts in [
            [TYPE, &uuid_box(b"merkle\0"), data].as_slice(),
            &[TYPE, &other, data],
            &[TYPE, b"\0\0\0\0mdat", &uuid_box(b"manifest\0")],
            &[TYPE, b"\0\0\0\x07mdat", &uuid_box(b"manifest\0")],
            &[TYPE, b"\0\0\0\x01mdat\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"],
            &[TYPE, &uuid_box(b"manifest\0")[..30]],
        ] {
            assert!(!has_manifest(parts));
        }
    }

    #[test]
    fn riff_file_has_it_in_a_chunk() {
        let chunk = [b"C2PA\x48\0\0\0".as_slice(), &store()].concat();
        let data = b"data\x03\0\0\0abc\0".as_slice();
        for parts in [
            [b"RIFF\xFF\xFF\xFF\xFFWAVE".as_slice(), data, &chunk].as_slice(),
            &[b"RIFF\x10\0\0\0WEBP", b"VP8X\x0A\0\0\0..........", &chunk],
            &[b"RIFF\x10\0\0\0AVI ", data, b"RIFF\x10\0\0\0AVIX", &chunk],
            &[b"RIFX\0\0\0\0WAVE", b"data\0\0\0\x03abc\0", &chunk],
            &[b"RF64\xFF\xFF\xFF\xFFWAVEds64\x10\0\0\0........", &3_u64.to_le_bytes(), b"data\xFF\xFF\xFF\xFFabc\0", &chunk],
        ] {
            assert!(has_manifest(parts));
        }
        assert!(!has_manifest(&[b"RIFF\0\0\0\0WAVE", b"C2PA\x04\0\0\0text", data]));
        assert!(!has_manifest(&[b"RIFF\0\0\0\0WAVEdata\xFF\xFF\0\0", &chunk]));
    }

    #[test]
    fn ogg_file_has_it_in_a_stream() {
        let page = |flags: u8, packet: &[u8]| {
            [b"OggS\0".as_slice(), &[flags], &[0; 20], &[1, u8::try_from(packet.len()).unwrap()], packet].concat()
        };
        let (vorbis, manifest) = (page(2, b"\x01vorbis........"), page(2, b"\0c2pa......"));
        assert!(has_manifest(&[&vorbis, &manifest, &page(0, b"data")]));
        assert!(!has_manifest(&[&vorbis, &page(0, b"data"), &manifest]));
        assert!(!has_manifest(&[&vorbis[..40]]) && !has_manifest(&[&vorbis, &manifest[..30]]));
    }
}
