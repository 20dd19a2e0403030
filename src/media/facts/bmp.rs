//! The size of a BMP. Its header has several versions; a negative height means that the first row is the top one.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;

pub(super) fn size(source: &mut BoundedReader<impl Read + Seek>) -> Option<(u32, u32)> {
    let [b'B', b'M', ..] = source.array_at::<14>(0).ok()?? else { return None };
    match u32::from_le_bytes(source.array_at(14).ok()??) {
        // OS/2.
        12 => {
            let [a, b, c, d] = source.array_at(18).ok()??;
            Some((u16::from_le_bytes([a, b]).into(), u16::from_le_bytes([c, d]).into()))
        }
        16..=256 => {
            let [width, height] = [18, 22].map(|at| source.array_at(at).ok().flatten().map(i32::from_le_bytes));
            Some((u32::try_from(width?).ok()?, height?.unsigned_abs()))
        }
        _ => None,
    }
}
