//! The size of an SVG: the attributes `width` and `height` of its root element or, when it has neither, its `viewBox`.
//!
//! Lengths in pixels and in units of a fixed size count. A length in per cent, or in the size of a font, depends on where it
//! is displayed.

use std::io::{Read, Seek};

use crate::media::bounded_reader::BoundedReader;
use crate::media::media_type;

/// As much of the file as is searched for the root element.
const MAX_HEAD: usize = 64 << 10;

pub(super) fn size(source: &mut BoundedReader<impl Read + Seek>) -> Option<(u32, u32)> {
    let head = source.prefix_at(0, MAX_HEAD).ok()?;
    let tag = media_type::svg_tag(&head)?;
    match (attribute(&tag, "width"), attribute(&tag, "height")) {
        (Some(width), Some(height)) => Some((pixels(width)?, pixels(height)?)),
        (None, None) => {
            let numbers = attribute(&tag, "viewBox")?.split([' ', ',', '\t', '\r', '\n']).filter(|number| !number.is_empty());
            let [_, _, width, height] = *numbers.collect::<Vec<_>>() else { return None };
            Some((whole(width.parse().ok()?)?, whole(height.parse().ok()?)?))
        }
        _ => None,
    }
}

/// The value of an attribute in a start tag.
fn attribute<'a>(tag: &'a str, wanted: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let (name, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let (value, behind) = value[1..].split_once(quote)?;
        if name.split_ascii_whitespace().last() == Some(wanted) {
            return Some(value.trim());
        }
        rest = behind;
    }
}

/// A length in whole pixels. An inch has 96.
fn pixels(length: &str) -> Option<u32> {
    let unit = length.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+'));
    let number: f64 = length.strip_suffix(unit)?.parse().ok()?;
    let per_unit = match unit.trim() {
        "" | "px" => 1.0,
        "in" => 96.0,
        "pt" => 96.0 / 72.0,
        "pc" => 16.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        _ => return None,
    };
    whole(number * per_unit)
}

/// The nearest whole number of pixels.
fn whole(number: f64) -> Option<u32> {
    let number = number.round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked")]
    (number >= 1.0 && number <= f64::from(u32::MAX)).then_some(number as u32)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn size_of(svg: &str) -> Option<(u32, u32)> {
        size(&mut BoundedReader::new(Cursor::new(svg.as_bytes()), 0..svg.len() as u64, 1 << 20))
    }

    #[test]
    fn size_is_read_from_the_root_element() {
        for (svg, expected) in [
            ("<svg width='30' height=\"20px\" viewBox='0 0 1 1'/>", Some((30, 20))),
            ("<?xml version='1.0'?><!-- width='7' --><!DOCTYPE svg>\n<svg:svg\n height = '1in' width='25.4mm'>", Some((96, 96))),
            ("<svg viewBox='0 0 48 32.4'><rect width='7' height='7'/></svg>", Some((48, 32))),
            ("<svg viewBox=' -5,-5,48,\n32 '/>", Some((48, 32))),
            ("<svg stroke-width='3' width='30' height='20'>", Some((30, 20))),
            ("<svg data='a>b' width='30' height='20'>", Some((30, 20))),
            ("<svg width='100%' height='100%' viewBox='0 0 48 32'/>", None),
            ("<svg width='30' viewBox='0 0 48 32'/>", None),
            ("<svg width='3em' height='20'/>", None),
            ("<svg width='-3' height='20'/>", None),
            ("<svg width='0' height='20'/>", None),
            ("<svg width='1e99' height='20'/>", None),
            ("<svg viewBox='0 0 48'/>", None),
            ("<svg viewBox='0 0 inf inf'/>", None),
            ("<svg><rect width='7' height='7'/></svg>", None),
            ("<svg width='30' height='20", None),
            ("<html width='30' height='20'>", None),
            ("", None),
        ] {
            assert_eq!(size_of(svg), expected, "{svg}");
        }
    }
}
