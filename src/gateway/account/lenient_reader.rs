//! Mends the JSON of a list while it arrives, so that one broken row does not hide all others.
//!
//! Bytes that are no character, where a text was cut in the middle of one, become a replacement character. The numbers `NaN`,
//! `Infinity` and `-Infinity`, which Python writes and JSON does not have, become 0. Nothing else is changed.

use std::io::{self, Read};

const CHUNK: usize = 8 << 10;

/// A source whose JSON is mended.
pub(super) struct LenientReader<R> {
    source: R,
    /// The beginning of a character whose other bytes have not arrived.
    rest: Vec<u8>,
    mended: Vec<u8>,
    /// How much of `mended` was read.
    read: usize,
    place: Place,
}

/// What the next byte belongs to.
#[derive(Clone, Copy)]
enum Place {
    Value,
    Text,
    Escape,
    /// A number that is not finite, with these bytes left.
    NonFinite(&'static [u8]),
}

impl<R: Read> LenientReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, rest: Vec::new(), mended: Vec::new(), read: 0, place: Place::Value }
    }

    /// Reads and mends the next bytes. False at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut bytes = std::mem::take(&mut self.rest);
        let held = bytes.len();
        bytes.resize(held + CHUNK, 0);
        let read = match self.source.read(&mut bytes[held..]) {
            Ok(read) => read,
            Err(error) => {
                bytes.truncate(held);
                self.rest = bytes;
                return Err(error);
            }
        };
        bytes.truncate(held + read);
        self.mended.clear();
        self.read = 0;
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.place.mend_all(chunk.valid(), &mut self.mended);
            let invalid = chunk.invalid();
            let may_go_on = read > 0 && chunks.peek().is_none();
            if may_go_on && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                self.rest = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.mended.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
        Ok(held + read > 0)
    }
}

impl<R: Read> Read for LenientReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.mended.len() {
            if buffer.is_empty() || !self.fill()? {
                return Ok(0);
            }
        }
        let read = (&self.mended[self.read..]).read(buffer)?;
        self.read += read;
        Ok(read)
    }
}

impl Place {
    /// Adds the bytes of `json`, or what stands in their places, to `mended`.
    fn mend_all(&mut self, mut json: &str, mended: &mut Vec<u8>) {
        while let Some(first) = json.chars().next() {
            // Almost everything is the plain rest of a text.
            let end = match self {
                Self::Text => json.find('"').unwrap_or(json.len()).max(1),
                _ => first.len_utf8(),
            };
            let (part, rest) = json.split_at(end);
            if matches!(self, Self::Text) && !(part.contains('"') || part.contains('\\')) {
                mended.extend_from_slice(part.as_bytes());
            } else {
                mended.extend(part.bytes().map(|byte| self.mend(byte)));
            }
            json = rest;
        }
    }

    /// The byte, or what stands in its place.
    fn mend(&mut self, byte: u8) -> u8 {
        match (*self, byte) {
            (Self::NonFinite([next, rest @ ..]), byte) if byte == *next => {
                *self = Self::NonFinite(rest);
                return b' ';
            }
            (Self::Text, b'\\') => *self = Self::Escape,
            (Self::Text, b'"') => *self = Self::Value,
            (Self::Text, _) => {}
            (Self::Escape, _) => *self = Self::Text,
            (Self::Value | Self::NonFinite(_), b'"') => *self = Self::Text,
            (Self::Value | Self::NonFinite(_), b'N') => {
                *self = Self::NonFinite(b"aN");
                return b'0';
            }
            (Self::Value | Self::NonFinite(_), b'I') => {
                *self = Self::NonFinite(b"nfinity");
                return b'0';
            }
            (Self::Value | Self::NonFinite(_), _) => *self = Self::Value,
        }
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that arrive one by one.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let end = buffer.len().min(1);
            self.0.read(&mut buffer[..end])
        }
    }

    #[test]
    fn broken_characters_and_numbers_are_mended_however_they_arrive() {
        for (json, mended) in [
            (&b"[{\"a\":\"caf\xe9\"}]"[..], "[{\"a\":\"caf\u{fffd}\"}]"),
            (b"\"cut \xf0\x9f\x98\"", "\"cut \u{fffd}\""),
            (b"\"cut \xf0\x9f", "\"cut \u{fffd}"),
            ("\"mèo 😀\"".as_bytes(), "\"mèo 😀\""),
            (b"[NaN,-Infinity,Infinity]", "[0  ,-0       ,0       ]"),
            (br#"{"NaN":"\"Infinity\\","x":NaN}"#, r#"{"NaN":"\"Infinity\\","x":0  }"#),
            ("[\"\\é\\\\\",\"N\"]".as_bytes(), "[\"\\é\\\\\",\"N\"]"),
            (b"[Nope]", "[0ope]"),
            (b"", ""),
        ] {
            for reader in [&mut LenientReader::new(json) as &mut dyn Read, &mut LenientReader::new(Slow(json))] {
                let mut text = String::new();
                reader.read_to_string(&mut text).unwrap();
                assert_eq!(text, mended);
            }
        }
    }
}
