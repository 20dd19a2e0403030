//! The directories of TIFF, which EXIF has, too: lists of tags with numbers.
//!
//! Only the entries themselves are read, never what they point to.

use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use crate::media::bounded_reader::BoundedReader;

/// One entry of a directory.
pub(super) struct Entry {
    /// The number of its directory, from 0.
    pub directory: usize,
    pub tag: u16,
    /// Its value, when it is one whole number.
    pub value: Option<u32>,
}

/// The sizes of the parts of a directory, and the order of bytes.
struct Format {
    is_little: bool,
    is_big_tiff: bool,
}

impl Format {
    fn number(&self, bytes: &[u8]) -> u64 {
        let digit = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.is_little { bytes.iter().rev().fold(0, digit) } else { bytes.iter().fold(0, digit) }
    }

    /// The value of an entry: its tag, its type, the number of values, and the value if it fits.
    fn value(&self, entry: &[u8]) -> Option<u32> {
        let (count, value) = if self.is_big_tiff { (entry.get(4..12)?, 12) } else { (entry.get(4..8)?, 8) };
        let size = match self.number(entry.get(2..4)?) {
            3 => 2,
            4 => 4,
            _ => return None,
        };
        let value = self.number(entry.get(value..value + size)?);
        if self.number(count) == 1 { u32::try_from(value).ok() } else { None }
    }
}

/// Calls `on_entry` with the entries of all directories, until it breaks. `start` is where the header is.
pub(super) fn walk(
    source: &mut BoundedReader<impl Read + Seek>,
    start: u64,
    mut on_entry: impl FnMut(Entry) -> ControlFlow<()>,
) -> io::Result<()> {
    let Some([order, order_again, a, b]) = source.array_at::<4>(start)? else { return Ok(()) };
    let format = Format { is_little: order == b'I', is_big_tiff: a | b == 43 };
    if order != order_again || !matches!(order, b'I' | b'M') || !matches!(format.number(&[a, b]), 42 | 43) {
        return Ok(());
    }
    // The sizes of the number of entries, of an entry and of an offset. The first offset is behind the header.
    let (count_size, entry_size, offset_size) = if format.is_big_tiff { (8, 20, 8) } else { (2, 12, 4) };
    let mut offset = format.number(&source.prefix_at(start + offset_size as u64, offset_size)?);
    for directory in 0.. {
        let count = match start.checked_add(offset) {
            Some(position) if offset > 0 => source.prefix_at(position, count_size)?,
            _ => break,
        };
        let mut position = start + offset + count.len() as u64;
        for _ in 0..format.number(&count) {
            let bytes = source.prefix_at(position, entry_size)?;
            if bytes.len() < entry_size {
                return Ok(());
            }
            let entry =
                Entry { directory, tag: u16::try_from(format.number(&bytes[..2])).unwrap_or(0), value: format.value(&bytes) };
            if on_entry(entry).is_break() {
                return Ok(());
            }
            position += entry_size as u64;
        }
        offset = format.number(&source.prefix_at(position, offset_size)?);
    }
    Ok(())
}
