//! Parses `data:` URIs (RFC 2397), leniently, as generators send them.
//!
//! Base64 may lack padding, use either alphabet, and contain whitespace or percent-escapes. The payload, which may be long,
//! is kept only as an asset's bytes; everything else uses the URI without its payload. The `data-url` crate is no
//! replacement: it rejects the URL-safe alphabet, and it ends the payload of an SVG at the first `#`.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true),
);

/// The longest header (all before the payload), in bytes.
const MAX_HEADER_LEN: usize = 256;

/// Why a `data:` URI gives no bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// There is no comma between header and payload.
    #[error("the data: URI has no comma before its payload")]
    MissingComma,
    /// The payload is no valid base64.
    #[error("the data: URI has invalid base64")]
    InvalidBase64,
}

/// Whether a URL is a `data:` URI.
#[must_use]
pub(crate) fn is_data_uri(url: &str) -> bool {
    url.trim_start().as_bytes().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"))
}

/// A `data:` URI without its payload.
#[must_use]
pub(crate) fn without_payload(uri: &str) -> &str {
    match uri.find(',') {
        Some(comma) if comma < MAX_HEADER_LEN => &uri[..=comma],
        _ => "data:",
    }
}

/// The media type that a `data:` URI declares, without its parameters; `None` for another URL, or when it is too long to be
/// a type.
#[must_use]
pub(crate) fn declared_type(url: &str) -> Option<&str> {
    let declared = is_data_uri(url).then(|| url.trim_start()[5..].split([',', ';']).next().unwrap_or_default());
    declared.filter(|declared| declared.len() < MAX_HEADER_LEN)
}

/// The bytes of a `data:` URI.
///
/// # Errors
/// When there is no payload, or it can't be decoded.
pub(crate) fn decode(uri: &str) -> Result<Vec<u8>, Error> {
    let (header, payload) = uri.split_once(',').ok_or(Error::MissingComma)?;
    let bytes = percent_decode(payload.trim_end().as_bytes());
    if !header.rsplit(';').next().is_some_and(|last| last.trim().eq_ignore_ascii_case("base64")) {
        return Ok(bytes.collect());
    }
    let base64: Vec<u8> = bytes
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => other,
        })
        .collect();
    LENIENT.decode(base64).map_err(|_| Error::InvalidBase64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uri_payloads_are_decoded_in_every_form() {
        for (uri, bytes) in [
            ("data:video/mp4;base64,QUJDRA==", &b"ABCD"[..]),
            ("data:video/mp4;base64,QUJDRA", b"ABCD"),
            ("data:;base64,QUJDRA==", b"ABCD"),
            ("data:mp4;BASE64,QUJDRA", b"ABCD"),
            ("DATA:video/mp4; base64,QUJD\r\n RA==\n", b"ABCD"),
            ("data:video/mp4;base64,QUJDRA%3D%3D", b"ABCD"),
            ("data:x/y;base64,-_-_", &[0xfb, 0xff, 0xbf]),
            ("data:text/plain;charset=utf-8;base64,QUI=", b"AB"),
            ("data:,a%20b", b"a b"),
            ("data:image/svg+xml,<svg/>", b"<svg/>"),
            ("data:,", b""),
        ] {
            assert_eq!(decode(uri).as_deref(), Ok(bytes), "{uri}");
        }
    }

    #[test]
    fn invalid_payload_is_an_error() {
        assert_eq!(decode("data:video/mp4;base64"), Err(Error::MissingComma));
        for uri in ["data:;base64,Q", "data:;base64,QUJ%ff", "data:;base64,Q=UI"] {
            assert_eq!(decode(uri), Err(Error::InvalidBase64), "{uri}");
        }
    }
}
