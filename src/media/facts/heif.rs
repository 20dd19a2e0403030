//! The size of an AVIF or HEIC: that of the primary item, with its rotation.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::duration::iso_media::{boxes, find_box, read_top_level, u32_at};

pub(super) fn size(source: &mut BoundedReader<impl Read + Seek>) -> Option<(u32, u32)> {
    let meta = read_top_level(source, *b"meta")?;
    let meta = meta.get(4..)?;
    let primary = find_box(meta, &[b"pitm"])?;
    let primary = if primary.first() == Some(&0) { u16_at(primary, 4)?.into() } else { u32_at(primary, 4)? };
    let properties: Vec<_> = boxes(find_box(meta, &[b"iprp", b"ipco"])?).collect();
    let (mut size, mut is_turned) = (None, false);
    for index in properties_of(find_box(meta, &[b"iprp", b"ipma"])?, primary)? {
        let Some((kind, body)) = index.checked_sub(1).and_then(|index| properties.get(index)) else { continue };
        match kind {
            b"ispe" => size = Some((u32_at(body, 4)?, u32_at(body, 8)?)),
            b"irot" => is_turned = body.first()? & 1 == 1,
            _ => {}
        }
    }
    let (width, height) = size?;
    Some(if is_turned { (height, width) } else { (width, height) })
}

/// The numbers of the properties of an item, from 1.
fn properties_of(associations: &[u8], item: u32) -> Option<Vec<usize>> {
    let (has_long_ids, has_long_indices) = (*associations.first()? > 0, associations.get(3)? & 1 == 1);
    let mut at = 8;
    for _ in 0..u32_at(associations, 4)? {
        let id = if has_long_ids { u32_at(associations, at)? } else { u16_at(associations, at)?.into() };
        at += if has_long_ids { 4 } else { 2 };
        let width = if has_long_indices { 2 } else { 1 };
        let count = usize::from(*associations.get(at)?) * width;
        let list = associations.get(at + 1..at + 1 + count)?;
        if id == item {
            // The highest bit says whether a reader must know the property.
            let mask = if has_long_indices { 0x7FFF } else { 0x7F };
            let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)) & mask;
            return Some(list.chunks(width).map(number).collect());
        }
        at += 1 + count;
    }
    None
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}
