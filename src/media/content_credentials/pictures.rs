//! Manifests in pictures: JPEG, PNG, GIF and TIFF. WebP is RIFF, AVIF and HEIC are ISO files.

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use super::{STORE_HEAD, is_store, is_store_at};
use crate::media::bounded_reader::BoundedReader;
use crate::media::scanner::Scanner;
use crate::media::tiff;

/// The tag of the manifest in a TIFF directory.
const TIFF_TAG: u16 = 0xCD41;

/// Looks for a segment APP11 with JUMBF before the picture.
pub(super) fn jpeg_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut position = start + 2;
    while let Some([0xFF, marker]) = source.array_at(position)? {
        match marker {
            // A filler byte, and a marker without content.
            0xFF => position += 1,
            0x01 | 0xD0..=0xD8 => position += 2,
            // The picture begins or the file ends.
            0x00 | 0xD9 | 0xDA => break,
            _ => {
                // Behind `JP`, the number of the box and that of the packet.
                let head = source.prefix_at(position + 4, 8 + STORE_HEAD)?;
                if marker == 0xEB && head.starts_with(b"JP") && head.get(8..).is_some_and(is_store) {
                    return Ok(true);
                }
                let Some(size) = source.array_at(position + 2)?.map(u16::from_be_bytes) else { break };
                position += 2 + u64::from(size);
            }
        }
    }
    Ok(false)
}

/// Looks for a chunk `caBX`.
pub(super) fn png_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut position = start + 8;
    while let Some([a, b, c, d, kind @ ..]) = source.array_at::<8>(position)? {
        match &kind {
            b"caBX" if is_store_at(source, position + 8)? => return Ok(true),
            b"IEND" => break,
            _ => position += 12 + u64::from(u32::from_be_bytes([a, b, c, d])),
        }
    }
    Ok(false)
}

/// Looks for an application extension `C2PA_GIF`.
pub(super) fn gif_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut is_found = false;
    let scan = Scanner::new(source, start + 10)?.scan_gif(|extension| is_found |= extension.starts_with(b"C2PA_GIF"));
    match scan {
        Err(error) if !is_found && error.kind() != io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(is_found),
    }
}

/// Looks for the tag in all directories.
pub(super) fn tiff_has_manifest(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<bool> {
    let mut is_found = false;
    tiff::walk(source, start, |entry| {
        is_found = entry.tag == TIFF_TAG;
        if is_found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(is_found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{has_manifest, store};

    #[test]
    fn jpeg_has_it_in_a_segment() {
        let segment = |kind: u8, name: &[u8]| [&[0xFF, kind, 0, 8 + 66 + 2], name, &[0, 1, 0, 0, 0, 1], &store()].concat();
        let (start, exif, scan) =
            (b"\xFF\xD8".as_slice(), b"\xFF\xE1\0\x04..".as_slice(), b"\xFF\xDA\0\x02data\xFF\xD9".as_slice());
        for parts in
            [[start, exif, &segment(0xEB, b"JP"), scan].as_slice(), &[start, b"\xFF", exif, b"\xFF", &segment(0xEB, b"JP"), scan]]
        {
            assert!(has_manifest(parts));
        }
        for parts in [
            [start, &segment(0xEA, b"JP"), scan].as_slice(),
            &[start, &segment(0xEB, b"HD"), scan],
            &[start, exif, scan, &segment(0xEB, b"JP")],
            &[start, exif],
            &[start, b"\xFF\xE1\0\0"],
            &[start, &segment(0xEB, b"JP")[..30]],
        ] {
            assert!(!has_manifest(parts));
        }
    }

    #[test]
    fn png_has_it_in_a_chunk() {
        let (head, end) = (b"\x89PNG\r\n\x1A\n\0\0\0\x04IHDR........".as_slice(), b"\0\0\0\0IEND\xAE\x42\x60\x82".as_slice());
        let chunk = [b"\0\0\0\x48caBX".as_slice(), &store(), b"...."].concat();
        assert!(has_manifest(&[head, &chunk, end]));
        assert!(!has_manifest(&[head, end, &chunk]) && !has_manifest(&[head, b"\0\0\0\x04caBXtext....", end]));
    }

    #[test]
    fn gif_has_it_in_an_extension() {
        let head = b"GIF89a\x01\0\x01\0\x80\0\0rgbRGB".as_slice();
        let picture = b"\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02..\0".as_slice();
        let manifest = b"\x21\xFF\x0BC2PA_GIF\x01\0\0\x03abc\0".as_slice();
        assert!(has_manifest(&[head, manifest, picture, b"\x3B"]) && has_manifest(&[head, picture, manifest, b"\x3B"]));
        assert!(!has_manifest(&[head, b"\x21\xFF\x0BNETSCAPE2.0\x03\x01\0\0\0", picture, b"\x3B"]));
        assert!(!has_manifest(&[head, picture, b"\x3B", manifest]));
    }

    #[test]
    fn tiff_has_it_in_a_directory() {
        let little = b"II\x2A\0\x08\0\0\0\x01\0\x41\xCD\x07\0\x04\0\0\0....\0\0\0\0".as_slice();
        let second = b"II\x2A\0\x08\0\0\0\0\0\x0E\0\0\0\x01\0\x41\xCD\x07\0\x04\0\0\0....\0\0\0\0".as_slice();
        let big = b"MM\0\x2A\0\0\0\x08\0\x01\xCD\x41\0\x07\0\0\0\x04....\0\0\0\0".as_slice();
        let big_tiff = b"MM\0\x2B\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01\xCD\x41\0\x07................".as_slice();
        for file in [little, second, big, big_tiff] {
            assert!(has_manifest(&[file]), "{}", file.escape_ascii());
            assert!(!has_manifest(&[&file[..10]]));
        }
        assert!(!has_manifest(&[b"II\x2A\0\x08\0\0\0\x01\0\x42\xCD\x07\0\x04\0\0\0....\0\0\0\0"]));
    }
}
