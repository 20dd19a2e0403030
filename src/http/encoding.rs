//! The encodings of a body that this program knows.
//!
//! Requests ask for identity, but some hosts send gzip or deflate all the same (see `decoder`). Values that encode nothing are
//! ignored (`integrity::coding`). Stacked and unknown encodings are refused, not guessed.

use crate::integrity::coding;

/// How a body is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum ContentCoding {
    /// Not encoded.
    #[default]
    Identity,
    /// `gzip`
    Gzip,
    /// `deflate`: a zlib stream by the standard, a raw deflate stream from some hosts.
    Deflate,
    /// `base64`: a remark about an upload. The bytes decide whether it is true; base64 text is refused.
    Base64,
}

impl ContentCoding {
    /// Reads a `Content-Encoding` header. None is an encoding that can't be decoded.
    #[must_use]
    pub(crate) fn parse(header: &str) -> Option<Self> {
        match coding::codings([header]).iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => Some(Self::Identity),
            ["gzip" | "x-gzip"] => Some(Self::Gzip),
            ["deflate"] => Some(Self::Deflate),
            ["base64"] => Some(Self::Base64),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_supported_encodings_are_accepted() {
        for (header, coding) in [
            ("", ContentCoding::Identity),
            (" Identity ", ContentCoding::Identity),
            ("GZIP", ContentCoding::Gzip),
            ("x-gzip", ContentCoding::Gzip),
            ("deflate", ContentCoding::Deflate),
            ("identity, gzip", ContentCoding::Gzip),
            ("aws-chunked,gzip", ContentCoding::Gzip),
            ("utf-8", ContentCoding::Identity),
            ("Binary, none", ContentCoding::Identity),
            ("BASE64", ContentCoding::Base64),
        ] {
            assert_eq!(ContentCoding::parse(header), Some(coding), "{header}");
        }
        for header in ["br", "zstd", "gzip, gzip", "gzip, deflate", "compress", "base64, gzip", "x-unknown"] {
            assert_eq!(ContentCoding::parse(header), None, "{header}");
        }
    }
}
