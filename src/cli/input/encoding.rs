//! The text encodings of a list: UTF-8 with or without a byte-order mark, and UTF-16 with one.
//!
//! Text is decoded as it arrives and never read ahead, so that ids on standard input are streamed. A byte order without a
//! mark is not guessed. What is not valid text becomes a byte that is not UTF-8, so that the reader of the line reports it.
//! (The crate `encoding_rs_io` would not do: it waits for three bytes, and hides invalid text.)

use std::io::{self, BufRead, BufReader, Cursor, Read};

/// Text that is read as it arrives.
pub(super) type Source = Box<dyn BufRead + Send>;

/// The byte-order marks, and whether the text after each is UTF-16 in big-endian order. None: UTF-8.
const MARKS: [(&[u8], Option<bool>); 3] = [(b"\xEF\xBB\xBF", None), (b"\xFF\xFE", Some(false)), (b"\xFE\xFF", Some(true))];

/// A byte that no UTF-8 text contains.
const INVALID: u8 = 0xFF;

/// `source` as UTF-8, without a byte-order mark.
pub(super) fn decode(mut source: Source) -> io::Result<Source> {
    let mut beginning = Vec::new();
    while let Some(next) = peek(&mut source)? {
        beginning.push(next);
        if !MARKS.iter().any(|(mark, _)| mark.starts_with(&beginning)) {
            beginning.pop();
            break;
        }
        source.consume(1);
        if let Some((_, encoding)) = MARKS.iter().find(|(mark, _)| *mark == beginning) {
            return Ok(match *encoding {
                None => source,
                Some(is_big_endian) => Box::new(BufReader::new(Utf16Reader::new(source, is_big_endian))),
            });
        }
    }
    Ok(if beginning.is_empty() { source } else { Box::new(Cursor::new(beginning).chain(source)) })
}

/// The next byte, which stays in `source`; none at the end. A signal does not end the read. If there is a byte, `fill_buf`
/// then returns without reading.
pub(super) fn peek(source: &mut dyn BufRead) -> io::Result<Option<u8>> {
    loop {
        match source.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            bytes => return bytes.map(|bytes| bytes.first().copied()),
        }
    }
}

/// Decodes UTF-16 to UTF-8.
struct Utf16Reader {
    source: Source,
    is_big_endian: bool,
    /// The first byte of a unit whose second one has not arrived.
    half_unit: Option<u8>,
    /// The first unit of a pair whose second one has not arrived.
    high_surrogate: Option<u16>,
    decoded: Cursor<Vec<u8>>,
}

impl Utf16Reader {
    fn new(source: Source, is_big_endian: bool) -> Self {
        Self { source, is_big_endian, half_unit: None, high_surrogate: None, decoded: Cursor::default() }
    }

    /// Decodes what has arrived. At the end, a unit or a pair that is not complete is invalid.
    fn decode_next(&mut self) -> io::Result<()> {
        let bytes = match peek(&mut self.source)? {
            Some(_) => self.source.fill_buf()?,
            None => &[],
        };
        let length = bytes.len();
        let mut text = Vec::with_capacity(2 * length);
        for &byte in bytes {
            let Some(first) = self.half_unit.take() else {
                self.half_unit = Some(byte);
                continue;
            };
            let unit = if self.is_big_endian { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
            push_unit(&mut text, &mut self.high_surrogate, unit);
        }
        self.source.consume(length);
        if length == 0 && (self.half_unit.take().is_some() | self.high_surrogate.take().is_some()) {
            text.push(INVALID);
        }
        self.decoded = Cursor::new(text);
        Ok(())
    }
}

/// Adds the character that `unit` completes, if it does.
fn push_unit(text: &mut Vec<u8>, high_surrogate: &mut Option<u16>, unit: u16) {
    let is_high = (0xD800..0xDC00).contains(&unit);
    let before = high_surrogate.take();
    if is_high {
        *high_surrogate = Some(unit);
        text.extend(before.map(|_| INVALID));
        return;
    }
    for char in char::decode_utf16(before.into_iter().chain([unit])) {
        match char {
            Ok(char) => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(_) => text.push(INVALID),
        }
    }
}

impl Read for Utf16Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.decoded.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            // One byte of UTF-16 makes no text yet, so no text does not mean the end.
            let is_end = peek(&mut self.source)?.is_none() && self.half_unit.is_none() && self.high_surrogate.is_none();
            if is_end {
                return Ok(0);
            }
            self.decode_next()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte per read.
    struct Slow(Vec<u8>, usize);

    impl Read for Slow {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(&byte) = self.0.get(self.1) else { return Ok(0) };
            self.1 += 1;
            buffer[0] = byte;
            Ok(1)
        }
    }

    fn decoded(bytes: &[u8]) -> Vec<u8> {
        let mut texts = [Vec::new(), Vec::new()];
        decode(Box::new(Cursor::new(bytes.to_vec()))).unwrap().read_to_end(&mut texts[0]).unwrap();
        decode(Box::new(BufReader::new(Slow(bytes.to_vec(), 0)))).unwrap().read_to_end(&mut texts[1]).unwrap();
        assert_eq!(texts[0], texts[1]);
        texts[0].clone()
    }

    fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn byte_order_marks_select_the_encoding() {
        let text = "777\r\nä🎬\n";
        let marked = format!("\u{feff}{text}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
        ] {
            assert_eq!(decoded(&bytes), text.as_bytes(), "{}", bytes.escape_ascii());
        }
        for plain in [&b""[..], b"\xEF", b"\xEF\xBB", b"\xEF\xBC\xA1", b"\xFF", b"\xFE\xFE", b"a"] {
            assert_eq!(decoded(plain), plain);
        }
    }

    #[test]
    fn broken_utf16_becomes_text_that_is_not_utf8() {
        for units in [&[0xD83C_u16][..], &[0xD83C, 0x41], &[0xDFAC], &[0xD83C, 0xD83C, 0xDFAC]] {
            let bytes: Vec<u8> = [0xFEFF_u16].iter().chain(units).flat_map(|unit| unit.to_le_bytes()).collect();
            assert!(String::from_utf8(decoded(&bytes)).is_err(), "{units:x?}");
        }
        assert!(String::from_utf8(decoded(b"\xFF\xFEa\0b")).is_err(), "half of a unit");
    }
}
