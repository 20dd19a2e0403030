//! The sizes of JPEG, PNG, GIF, WebP and TIFF, turned by their EXIF orientation.

use std::io::{self, BufReader, Read, Seek};
use std::ops::ControlFlow;

use crate::media::bounded_reader::BoundedReader;
use crate::media::tiff;

/// The size of a JPEG, PNG, GIF or WebP.
pub(super) fn size(source: &mut BoundedReader<impl Read + Seek>) -> Option<(u32, u32)> {
    let size = imagesize::reader_size(BufReader::with_capacity(512, &mut *source)).ok()?;
    let size = (u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?);
    // What can't be searched for an orientation has an unknown one.
    let orientation = match find_exif(source).ok()? {
        Some(exif) => Directory::read(source, exif).ok()?.orientation,
        None => None,
    };
    Some(turned(size, orientation))
}

/// The size of the first picture in a TIFF, unless it is only a preview of another one.
pub(super) fn tiff_size(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<(u32, u32)>> {
    let directory = Directory::read(source, 0)?;
    let size = directory.width.zip(directory.height).filter(|_| !directory.is_preview);
    Ok(size.map(|size| turned(size, directory.orientation)))
}

/// The orientations from 5 to 8 are quarter turns.
fn turned((width, height): (u32, u32), orientation: Option<u32>) -> (u32, u32) {
    if matches!(orientation, Some(5..=8)) { (height, width) } else { (width, height) }
}

/// The entries of the first directory that matter.
#[derive(Default)]
struct Directory {
    width: Option<u32>,
    height: Option<u32>,
    orientation: Option<u32>,
    is_preview: bool,
}

impl Directory {
    fn read(source: &mut BoundedReader<impl Read + Seek>, start: u64) -> io::Result<Self> {
        let mut found = Self::default();
        tiff::walk(source, start, |entry| {
            match entry.tag {
                _ if entry.directory > 0 => return ControlFlow::Break(()),
                0xFE => found.is_preview = entry.value.is_some_and(|flags| flags & 1 == 1),
                0x100 => found.width = entry.value,
                0x101 => found.height = entry.value,
                0x112 => found.orientation = entry.value,
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

/// Where the EXIF data of a picture begins.
fn find_exif(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<u64>> {
    match source.prefix_at(0, 4)?.as_slice() {
        [0xFF, 0xD8, ..] => find_in_jpeg(source),
        [0x89, b'P', b'N', b'G'] => find_in_png(source),
        b"RIFF" => find_in_webp(source),
        _ => Ok(None),
    }
}

fn find_in_jpeg(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<u64>> {
    let mut position = 2;
    while let Some([0xFF, marker, a, b]) = source.array_at(position)? {
        match marker {
            0xFF => position += 1,
            0xD9 | 0xDA => break,
            0xE1 if source.array_at(position + 4)? == Some(*b"Exif\0\0") => return Ok(Some(position + 10)),
            _ => position += 2 + u64::from(u16::from_be_bytes([a, b])),
        }
    }
    Ok(None)
}

fn find_in_png(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<u64>> {
    let mut position = 8;
    while let Some([a, b, c, d, kind @ ..]) = source.array_at::<8>(position)? {
        if &kind == b"eXIf" {
            return behind_name(source, position + 8);
        }
        position += 12 + u64::from(u32::from_be_bytes([a, b, c, d]));
    }
    Ok(None)
}

fn find_in_webp(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<u64>> {
    let mut position = 12;
    while let Some([kind @ .., a, b, c, d]) = source.array_at::<8>(position)? {
        if &kind == b"EXIF" {
            return behind_name(source, position + 8);
        }
        position += 8 + u64::from(u32::from_le_bytes([a, b, c, d])).next_multiple_of(2);
    }
    Ok(None)
}

/// Some writers put the name of a JPEG's segment before the data.
fn behind_name(source: &mut BoundedReader<impl Read + Seek>, content: u64) -> io::Result<Option<u64>> {
    let has_name = source.array_at(content)? == Some(*b"Exif\0\0");
    Ok(Some(content + if has_name { 6 } else { 0 }))
}
