//! Whether a PNG, JPEG or GIF is cut: it then lacks its end mark.
//!
//! Almost every whole file ends with its end mark, so its last bytes are read first. Otherwise the chunks, segments or blocks
//! are walked from the beginning, because data may follow the end mark.

use std::io::{self, Read, Seek};

use super::Cut;
use crate::media::bounded_reader::BoundedReader;
use crate::media::scanner::Scanner;

const PNG_END: [u8; 12] = *b"\0\0\0\0IEND\xAE\x42\x60\x82";

pub(super) fn find_cut_in_png(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    let length = source.length();
    if ends_with(source, PNG_END)? {
        return Ok(None);
    }
    let mut position = 8;
    while let Some([a, b, c, d, kind @ ..]) = source.array_at::<8>(position)? {
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Ok(None);
        }
        position += u64::from(u32::from_be_bytes([a, b, c, d])) + 12;
        if position > length {
            return Ok(Some(Cut::EndsBeyondFile("its last chunk")));
        }
        if &kind == b"IEND" {
            return Ok(None);
        }
    }
    Ok(Some(Cut::Lacks("end mark (`IEND`)")))
}

pub(super) fn find_cut_in_jpeg(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    if ends_with(source, [0xFF, 0xD9])? {
        return Ok(None);
    }
    finish_scan(scan_jpeg(&mut Scanner::new(source, 2)?), "end mark (EOI)")
}

pub(super) fn find_cut_in_gif(source: &mut BoundedReader<impl Read + Seek>) -> io::Result<Option<Cut>> {
    if ends_with(source, [0, 0x3B])? {
        return Ok(None);
    }
    finish_scan(Scanner::new(source, 10)?.scan_gif(|_| {}), "end mark")
}

fn ends_with<const N: usize>(source: &mut BoundedReader<impl Read + Seek>, end: [u8; N]) -> io::Result<bool> {
    let start = source.length().saturating_sub(N as u64);
    Ok(source.array_at(start)? == Some(end))
}

/// A scan that reaches the end of the file before the end mark proves a cut. Any other end of it proves nothing.
fn finish_scan(scan: io::Result<()>, end_mark: &'static str) -> io::Result<Option<Cut>> {
    match scan {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(Cut::Lacks(end_mark))),
        scan => scan.map(|()| None),
    }
}

/// Reads the segments of a JPEG up to its end mark, or up to something that is no segment.
fn scan_jpeg(file: &mut Scanner<impl Read>) -> io::Result<()> {
    let mut is_in_data = false;
    loop {
        let marker = if is_in_data {
            file.jpeg_marker_in_data()?
        } else if file.byte()? == 0xFF {
            file.byte_other_than(0xFF)?
        } else {
            return Ok(());
        };
        is_in_data = marker == 0xDA;
        match marker {
            0xD9 | 0 => return Ok(()),
            // Without content.
            0x01 | 0xD0..=0xD8 => {}
            _ => match u16::from_be_bytes([file.byte()?, file.byte()?]).checked_sub(2) {
                Some(size) => file.skip(size.into())?,
                None => return Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::media::truncation::{Cut, find_cut};

    #[test]
    fn jpeg_is_searched_for_its_end_mark() {
        let cut = Some(Cut::Lacks("end mark (EOI)"));
        let thumbnail = b"\xFF\xD8\xFF\xE1\0\x08Exif\xFF\xD9".as_slice();
        for (parts, expected) in [
            ([thumbnail, b"\xFF\xDA\0\x04..data\xFF\0data\xFF\xD0data"].as_slice(), cut),
            (&[thumbnail, b"\xFF\xDA\0\x04..data\xFF\0data\xFF\xFF\xD9 and more"], None),
            (&[thumbnail, b"\xFF\xDA\0\x04..data\xFF\xC4\0\x04..\xFF\xDA\0\x02data\xFF\xD9."], None),
            (&[thumbnail, b"\xFF\xDA\0\x04..data\xFF\xC4\0\xFF.."], cut),
            (&[thumbnail, b"\xFF\xDA\0\x04..data\xFF"], cut),
            (&[thumbnail, &[0; 20]], None),
            (&[thumbnail, b"\xFF\xE0\0\0...."], None),
            (&[b"\xFF\xD8\xFF\xE0\xFF\xFFcomment"], cut),
            (&[thumbnail, b"\xFF\xDA\0\x02", &vec![5; 200_000], b"\xFF\xD9."], None),
            (&[thumbnail, b"\xFF\xDA\0\x02", &vec![5; 200_000]], cut),
        ] {
            let file = parts.concat();
            assert_eq!(find_cut(Cursor::new(&file)), expected, "{}", file[..file.len().min(80)].escape_ascii());
        }
        let (head, tail) = (b"\xFF\xD8\xFF\xDA\0\x02".as_slice(), b"\xFF\xD9..".as_slice());
        for fill in (64 << 10) - 8..64 << 10 {
            assert_eq!(find_cut(Cursor::new([head, &vec![5; fill], tail].concat())), None, "a marker across two buffers");
        }
    }

    #[test]
    fn gif_is_searched_for_its_end_mark() {
        let cut = Some(Cut::Lacks("end mark"));
        let head = b"GIF89a\x01\0\x01\0\x80\0\0rgbRGB".as_slice();
        let picture = b"\x2C\0\0\0\0\x01\0\x01\0\x80rgbRGB\x02\x02..\0".as_slice();
        for (parts, expected) in [
            ([head, b"\x21\xFE\x02..\x01.\0", picture, b"\x3B"].as_slice(), None),
            (&[head, picture, picture, b"\x3Bmore"], None),
            (&[head, picture], cut),
            (&[head, &picture[..20]], cut),
            (&[head], cut),
            (&[head, picture, b"\0\0"], None),
        ] {
            let file = parts.concat();
            assert_eq!(find_cut(Cursor::new(&file)), expected, "{}", file.escape_ascii());
        }
    }

    #[test]
    fn damaged_png_chunk_is_no_cut() {
        let head = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR0123456789abc....".as_slice();
        for (tail, expected) in [
            (b"\0\0\0\x04IDATdata....\0\0\0\0IEND....tail".as_slice(), None),
            (b"\0\0\0\x04IDATdata....", Some(Cut::Lacks("end mark (`IEND`)"))),
            (b"\0\0\0\x04IDATdat", Some(Cut::EndsBeyondFile("its last chunk"))),
            (b"\0\0\0\x04ID\0\0data....", None),
            (b"", Some(Cut::Lacks("end mark (`IEND`)"))),
        ] {
            assert_eq!(find_cut(Cursor::new([head, tail].concat())), expected, "{}", tail.escape_ascii());
        }
    }
}
