//! Decodes a body on the way to its destination.
//!
//! The decoder writes a window at a time, so a small body that expands to a huge one fills no memory. An error of the destination
//! is never taken for an error of the encoding.
//!
//! Bytes behind the end of an encoded stream are padding, as for `gzip -d`: they are ignored, unless they begin another gzip
//! member. A stream that ends early is an error.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::ContentCoding;

/// The first bytes of each gzip member.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// They are not valid in their encoding.
    #[error("{0}")]
    Encoding(#[source] io::Error),
    /// They are base64 text.
    #[error("base64")]
    Base64,
    /// The destination did not accept them.
    #[error("{0}")]
    Destination(#[source] io::Error),
}

impl DecodeError {
    fn from_decoder(error: io::Error) -> Self {
        match error.downcast::<DestinationError>() {
            Ok(DestinationError(error)) => Self::Destination(error),
            Err(error) => Self::Encoding(error),
        }
    }
}

/// Decodes bytes on the way to `W`.
pub(crate) enum Decoder<W: Write> {
    /// Nothing to decode.
    Plain(W),
    /// Too few bytes yet to tell the form of the encoding: the destination, the encoding, the bytes.
    Undetected(W, ContentCoding, Vec<u8>),
    /// Decodes a gzip member.
    Gzip(GzDecoder<Destination<W>>),
    /// Behind a gzip member: the first byte of what may be another one, if it has arrived.
    GzipEnd(Destination<W>, Option<u8>),
    /// Decodes a zlib stream.
    Zlib(ZlibDecoder<Destination<W>>),
    /// Decodes a raw deflate stream.
    RawDeflate(DeflateDecoder<Destination<W>>),
    /// Everything is decoded: what follows is padding.
    Finished(W),
}

/// Marks errors of the destination, which are different from errors of the encoding.
pub(crate) struct Destination<W>(W);

/// An error of the destination. It travels through the decoder inside another [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DestinationError(io::Error);

impl DestinationError {
    /// The kind stays, so that an interrupted write is still repeated.
    fn wrap(error: io::Error) -> io::Error {
        io::Error::new(error.kind(), Self(error))
    }
}

impl<W: Write> Write for Destination<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(DestinationError::wrap)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(DestinationError::wrap)
    }
}

impl<W: Write> Decoder<W> {
    /// Decodes bytes in `coding` into `writer`.
    pub(crate) fn new(writer: W, coding: ContentCoding) -> Self {
        match coding {
            ContentCoding::Identity => Self::Plain(writer),
            coding => Self::Undetected(writer, coding, Vec::new()),
        }
    }

    /// Decodes the next bytes of the body.
    ///
    /// # Errors
    /// When the stream is broken, or the writer fails.
    pub(crate) fn write(mut self, mut bytes: &[u8]) -> Result<Self, DecodeError> {
        while !bytes.is_empty() {
            let consumed;
            (self, consumed) = self.write_some(bytes)?;
            bytes = &bytes[consumed..];
        }
        Ok(self)
    }

    /// Decodes some of the bytes, which are not empty. Returns how many; 0 where only the state changed.
    fn write_some(self, bytes: &[u8]) -> Result<(Self, usize), DecodeError> {
        let all = bytes.len();
        Ok(match self {
            Self::Plain(mut writer) => {
                writer.write_all(bytes).map_err(DecodeError::Destination)?;
                (Self::Plain(writer), all)
            }
            Self::Undetected(writer, coding, mut first) => {
                first.extend_from_slice(bytes);
                if first.len() < sniff_len(coding) {
                    return Ok((Self::Undetected(writer, coding, first), all));
                }
                (Self::detect(writer, coding, &first)?.write(&first)?, all)
            }
            Self::Gzip(mut decoder) => match write_stream(&mut decoder, bytes)? {
                0 => (Self::GzipEnd(decoder.finish().map_err(DecodeError::from_decoder)?, None), 0),
                consumed => (Self::Gzip(decoder), consumed),
            },
            Self::GzipEnd(writer, None) => (Self::GzipEnd(writer, Some(bytes[0])), 1),
            Self::GzipEnd(writer, Some(first)) if [first, bytes[0]] == GZIP_MAGIC => {
                (Self::Gzip(GzDecoder::new(writer)).write(&GZIP_MAGIC)?, 1)
            }
            Self::GzipEnd(Destination(writer), _) | Self::Finished(writer) => (Self::Finished(writer), all),
            Self::Zlib(mut decoder) => match write_stream(&mut decoder, bytes)? {
                0 => (Self::finished(decoder.finish())?, all),
                consumed => (Self::Zlib(decoder), consumed),
            },
            Self::RawDeflate(mut decoder) => match write_stream(&mut decoder, bytes)? {
                0 => (Self::finished(decoder.finish())?, all),
                consumed => (Self::RawDeflate(decoder), consumed),
            },
        })
    }

    fn finished(result: io::Result<Destination<W>>) -> Result<Self, DecodeError> {
        result.map(|Destination(writer)| Self::Finished(writer)).map_err(DecodeError::from_decoder)
    }

    fn detect(writer: W, coding: ContentCoding, first: &[u8]) -> Result<Self, DecodeError> {
        Ok(match coding {
            ContentCoding::Gzip if first.starts_with(&GZIP_MAGIC) => Self::Gzip(GzDecoder::new(Destination(writer))),
            ContentCoding::Deflate if is_zlib(first) => Self::Zlib(ZlibDecoder::new(Destination(writer))),
            ContentCoding::Deflate => Self::RawDeflate(DeflateDecoder::new(Destination(writer))),
            ContentCoding::Base64 if is_base64(first) => return Err(DecodeError::Base64),
            // The host stores a file that is not encoded under this header: it is kept as it is.
            ContentCoding::Gzip | ContentCoding::Base64 | ContentCoding::Identity => Self::Plain(writer),
        })
    }

    /// The destination.
    pub(crate) fn inner(&self) -> &W {
        match self {
            Self::Plain(writer) | Self::Undetected(writer, ..) | Self::Finished(writer) => writer,
            Self::GzipEnd(writer, _) => &writer.0,
            Self::Gzip(decoder) => &decoder.get_ref().0,
            Self::Zlib(decoder) => &decoder.get_ref().0,
            Self::RawDeflate(decoder) => &decoder.get_ref().0,
        }
    }

    /// Ends the body. Returns the destination.
    ///
    /// # Errors
    /// When the stream is not complete, or the writer fails.
    pub(crate) fn finish(self) -> Result<W, DecodeError> {
        let finished = match self {
            Self::Plain(writer) | Self::Finished(writer) | Self::GzipEnd(Destination(writer), _) => return Ok(writer),
            // Too short to be encoded, unless it is base64.
            Self::Undetected(mut writer, coding, first) => {
                if coding == ContentCoding::Base64 && is_base64(&first) {
                    return Err(DecodeError::Base64);
                }
                return writer.write_all(&first).map(|()| writer).map_err(DecodeError::Destination);
            }
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zlib(decoder) => decoder.finish(),
            Self::RawDeflate(decoder) => decoder.finish(),
        };
        finished.map(|Destination(writer)| writer).map_err(DecodeError::from_decoder)
    }
}

/// How many bytes tell one form of deflate from the other, gzip from other bytes, and base64 text from media.
fn sniff_len(coding: ContentCoding) -> usize {
    if coding == ContentCoding::Base64 { 64 } else { 2 }
}

/// Writes some of `bytes` to `decoder`. Returns how many; 0 where its stream ended before them.
fn write_stream(decoder: &mut impl Write, bytes: &[u8]) -> Result<usize, DecodeError> {
    loop {
        match decoder.write(bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(DecodeError::from_decoder),
        }
    }
}

/// Whether all bytes are of base64 text. Media begin with other bytes among the first 64.
fn is_base64(first: &[u8]) -> bool {
    !first.is_empty()
        && first
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\r' | b'\n'))
}

/// Whether it starts with a zlib header: method 8, and a check that one in 31 random pairs passes.
fn is_zlib(first: &[u8]) -> bool {
    matches!(first, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

#[cfg(test)]
mod tests;
