//! Decodes a `Content-Encoding` that was not asked for.
//!
//! Requests ask for identity, but some hosts send gzip or deflate all the same. The decoded bytes are kept. The decoder writes
//! to its destination a window at a time, so a small body that expands to a huge one fills no memory. Stacked and unknown
//! encodings are refused, not guessed. An error of the destination is never taken for an error of the encoding.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Bytes that are needed to tell one form of an encoding from another.
const SNIFF_LEN: usize = 2;

/// How a body is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ContentCoding {
    /// Not encoded.
    #[default]
    Identity,
    /// `gzip`
    Gzip,
    /// `deflate`: a zlib stream by the standard, a raw deflate stream from some hosts.
    Deflate,
}

impl ContentCoding {
    /// Reads a `Content-Encoding` header: blank is identity, none is an encoding that can't be decoded.
    #[must_use]
    pub fn parse(header: &str) -> Option<Self> {
        let codings: Vec<String> = header
            .split(',')
            .map(|coding| coding.trim().to_ascii_lowercase())
            .filter(|coding| !coding.is_empty() && coding != "identity")
            .collect();
        match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Some(Self::Identity),
            ["gzip" | "x-gzip"] => Some(Self::Gzip),
            ["deflate"] => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Why bytes could not be decoded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    /// They are not valid in their encoding.
    #[error("{0}")]
    Encoding(#[source] io::Error),
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
    /// Decodes gzip.
    Gzip(MultiGzDecoder<Destination<W>>),
    /// Decodes a zlib stream.
    Zlib(ZlibDecoder<Destination<W>>),
    /// Decodes a raw deflate stream.
    RawDeflate(DeflateDecoder<Destination<W>>),
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
    pub(crate) fn write(self, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut decoder = match self {
            Self::Undetected(writer, coding, mut first) => {
                first.extend_from_slice(bytes);
                if first.len() < SNIFF_LEN {
                    return Ok(Self::Undetected(writer, coding, first));
                }
                return Self::detect(writer, coding, &first).write(&first);
            }
            decoder => decoder,
        };
        match &mut decoder {
            Self::Plain(writer) | Self::Undetected(writer, ..) => writer.write_all(bytes).map_err(DecodeError::Destination)?,
            Self::Gzip(writer) => writer.write_all(bytes).map_err(DecodeError::from_decoder)?,
            Self::Zlib(writer) => writer.write_all(bytes).map_err(DecodeError::from_decoder)?,
            Self::RawDeflate(writer) => writer.write_all(bytes).map_err(DecodeError::from_decoder)?,
        }
        Ok(decoder)
    }

    fn detect(writer: W, coding: ContentCoding, first: &[u8]) -> Self {
        match coding {
            ContentCoding::Gzip if first.starts_with(&[0x1f, 0x8b]) => Self::Gzip(MultiGzDecoder::new(Destination(writer))),
            ContentCoding::Deflate if is_zlib(first) => Self::Zlib(ZlibDecoder::new(Destination(writer))),
            ContentCoding::Deflate => Self::RawDeflate(DeflateDecoder::new(Destination(writer))),
            // The host stores a file that is not gzip under this header: it is kept as it is.
            ContentCoding::Gzip | ContentCoding::Identity => Self::Plain(writer),
        }
    }

    /// The destination.
    pub(crate) fn inner(&self) -> &W {
        match self {
            Self::Plain(writer) | Self::Undetected(writer, ..) => writer,
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
            Self::Plain(writer) => return Ok(writer),
            Self::Undetected(mut writer, _, first) => {
                return writer.write_all(&first).map(|()| writer).map_err(DecodeError::Destination);
            }
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zlib(decoder) => decoder.finish(),
            Self::RawDeflate(decoder) => decoder.finish(),
        };
        finished.map(|Destination(writer)| writer).map_err(DecodeError::from_decoder)
    }
}

/// Whether it starts with a zlib header: method 8, and a check that one in 31 random pairs passes.
fn is_zlib(first: &[u8]) -> bool {
    matches!(first, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn decoded(coding: ContentCoding, body: &[u8], step: usize) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = Decoder::new(Vec::new(), coding);
        for piece in body.chunks(step) {
            decoder = decoder.write(piece)?;
        }
        decoder.finish()
    }

    fn media() -> Vec<u8> {
        (0..20_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect()
    }

    fn bodies() -> [(ContentCoding, Vec<u8>); 3] {
        let (mut gzip, mut zlib, mut raw) = (
            GzEncoder::new(Vec::new(), Compression::fast()),
            ZlibEncoder::new(Vec::new(), Compression::fast()),
            DeflateEncoder::new(Vec::new(), Compression::fast()),
        );
        gzip.write_all(&media()).unwrap();
        zlib.write_all(&media()).unwrap();
        raw.write_all(&media()).unwrap();
        [
            (ContentCoding::Gzip, gzip.finish().unwrap()),
            (ContentCoding::Deflate, zlib.finish().unwrap()),
            (ContentCoding::Deflate, raw.finish().unwrap()),
        ]
    }

    #[test]
    fn every_supported_encoding_is_decoded() {
        for (coding, body) in bodies() {
            for step in [1, 7, 4096, usize::MAX] {
                assert_eq!(decoded(coding, &body, step.min(body.len())).unwrap(), media(), "{coding:?} by {step}");
            }
        }
        assert_eq!(decoded(ContentCoding::Identity, b"abc", 1).unwrap(), b"abc");
        assert_eq!(decoded(ContentCoding::Gzip, b"not gzip at all", 4).unwrap(), b"not gzip at all");
        assert_eq!(decoded(ContentCoding::Gzip, b"", 1).unwrap(), b"");
        assert_eq!(decoded(ContentCoding::Deflate, b"x", 1).unwrap(), b"x");
    }

    #[test]
    fn truncated_encoded_stream_is_an_error() {
        for (coding, body) in bodies() {
            let result = decoded(coding, &body[..body.len() / 2], 512);
            assert!(matches!(result, Err(DecodeError::Encoding(_))), "{coding:?}");
        }
    }

    /// A destination that is full from the start.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::InvalidData.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn error_of_the_destination_is_not_an_error_of_the_encoding() {
        for (coding, body) in bodies().into_iter().chain([(ContentCoding::Identity, vec![0; 100])]) {
            let result = Decoder::new(Full, coding).write(&body).and_then(Decoder::finish);
            assert!(matches!(result, Err(DecodeError::Destination(_))), "{coding:?}");
        }
    }

    #[test]
    fn only_supported_encodings_are_accepted() {
        for (header, coding) in [
            ("", ContentCoding::Identity),
            (" Identity ", ContentCoding::Identity),
            ("GZIP", ContentCoding::Gzip),
            ("x-gzip", ContentCoding::Gzip),
            ("deflate", ContentCoding::Deflate),
            ("identity, gzip", ContentCoding::Gzip),
        ] {
            assert_eq!(ContentCoding::parse(header), Some(coding), "{header}");
        }
        for header in ["br", "zstd", "gzip, gzip", "gzip, deflate", "compress"] {
            assert_eq!(ContentCoding::parse(header), None, "{header}");
        }
    }
}
