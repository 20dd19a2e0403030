//! Undoing a `Content-Encoding` that a host forces on us.
//!
//! We ask for identity; some hosts send gzip or deflate all the same. What is kept is the result.
//! The decoder writes through to where the bytes go, a window at a time, so a small body that blows
//! up fills no memory. Stacked or unknown codings are refused, not guessed.

use std::io::{self, Write};

use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// How many bytes tell one form of a coding from another.
const SNIFF_LEN: usize = 2;

/// How a body is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ContentCoding {
    /// As it is.
    #[default]
    Identity,
    /// `gzip`
    Gzip,
    /// `deflate`: a zlib stream by the standard, a raw one by some hosts.
    Deflate,
}

impl ContentCoding {
    /// What a `Content-Encoding` header says; blank is identity.
    ///
    /// # Errors
    /// For a coding that can't be undone, in words for the asset's error.
    pub fn parse(header: &str) -> Result<Self, String> {
        let codings: Vec<String> = header
            .split(',')
            .map(|coding| coding.trim().to_ascii_lowercase())
            .filter(|coding| !coding.is_empty() && coding != "identity")
            .collect();
        match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Ok(Self::Identity),
            ["gzip" | "x-gzip"] => Ok(Self::Gzip),
            ["deflate"] => Ok(Self::Deflate),
            _ => Err(format!("the host sends it in an encoding that was not asked for: {}", codings.join(", "))),
        }
    }
}

/// Undoes a coding on the way to `W`.
pub(crate) enum Decoder<W: Write> {
    /// Nothing has to be undone.
    Plain(W),
    /// Too little has come to tell what it is: where to, in which coding, and what has come.
    Undetected(W, ContentCoding, Vec<u8>),
    /// Undoing gzip.
    Gzip(MultiGzDecoder<W>),
    /// Undoing a zlib stream.
    Zlib(ZlibDecoder<W>),
    /// Undoing a raw deflate stream.
    RawDeflate(DeflateDecoder<W>),
}

impl<W: Write> Decoder<W> {
    /// Bytes in `coding` go in, decoded ones go to `writer`.
    pub(crate) fn new(writer: W, coding: ContentCoding) -> Self {
        match coding {
            ContentCoding::Identity => Self::Plain(writer),
            coding => Self::Undetected(writer, coding, Vec::new()),
        }
    }

    /// Takes the next bytes of the body.
    ///
    /// # Errors
    /// What the writer reports, and `InvalidData` or `InvalidInput` for a broken stream.
    pub(crate) fn write(self, bytes: &[u8]) -> io::Result<Self> {
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
            Self::Plain(writer) | Self::Undetected(writer, ..) => writer.write_all(bytes)?,
            Self::Gzip(writer) => writer.write_all(bytes)?,
            Self::Zlib(writer) => writer.write_all(bytes)?,
            Self::RawDeflate(writer) => writer.write_all(bytes)?,
        }
        Ok(decoder)
    }

    fn detect(writer: W, coding: ContentCoding, first: &[u8]) -> Self {
        match coding {
            ContentCoding::Gzip if first.starts_with(&[0x1f, 0x8b]) => Self::Gzip(MultiGzDecoder::new(writer)),
            ContentCoding::Deflate if is_zlib(first) => Self::Zlib(ZlibDecoder::new(writer)),
            ContentCoding::Deflate => Self::RawDeflate(DeflateDecoder::new(writer)),
            // A host that claims gzip for bytes which are none has stored them so: they are kept as they are.
            ContentCoding::Gzip | ContentCoding::Identity => Self::Plain(writer),
        }
    }

    /// Where the bytes go.
    pub(crate) fn inner(&self) -> &W {
        match self {
            Self::Plain(writer) | Self::Undetected(writer, ..) => writer,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Zlib(decoder) => decoder.get_ref(),
            Self::RawDeflate(decoder) => decoder.get_ref(),
        }
    }

    /// Ends the body; where the bytes went.
    ///
    /// # Errors
    /// When the stream had not come to its end.
    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(writer) => Ok(writer),
            Self::Undetected(mut writer, _, first) => writer.write_all(&first).map(|()| writer),
            Self::Gzip(decoder) => decoder.finish(),
            Self::Zlib(decoder) => decoder.finish(),
            Self::RawDeflate(decoder) => decoder.finish(),
        }
    }
}

/// A zlib header: method 8, and a check that one in 31 random pairs passes.
fn is_zlib(first: &[u8]) -> bool {
    matches!(first, [method, flags, ..] if method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn decoded(coding: ContentCoding, body: &[u8], step: usize) -> io::Result<Vec<u8>> {
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
            assert!(decoded(coding, &body[..body.len() / 2], 512).is_err(), "{coding:?}");
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
            assert_eq!(ContentCoding::parse(header), Ok(coding), "{header}");
        }
        for header in ["br", "zstd", "gzip, gzip", "gzip, deflate", "compress"] {
            assert!(ContentCoding::parse(header).is_err(), "{header}");
        }
    }
}
