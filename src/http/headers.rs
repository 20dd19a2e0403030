//! Reading single response headers.
//!
//! A value that decides something (a validator, a range) must be visible ASCII: [`strict`]. A value that is only shown or
//! compared loosely is read whatever its bytes are: [`lossy`]. The `headers` crate is no replacement: it parses `Content-Range`
//! and `Content-Length` only strictly, and some hosts send slices with malformed values.

use reqwest::header::{AsHeaderName, CONTENT_ENCODING, HeaderMap, HeaderName};

use super::{ContentCoding, Error};

/// The first value of `name`, if it is visible ASCII.
pub(super) fn strict<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The first value of `name`, with a replacement character for what is not UTF-8.
pub(super) fn lossy(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// All values of `name`, read as [`lossy`] does, without blanks around them.
pub(super) fn all_lossy<N: AsHeaderName>(headers: &HeaderMap, name: N) -> impl Iterator<Item = String> + use<'_, N> {
    headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
}

/// How the body is encoded.
///
/// # Errors
/// For an encoding that can't be decoded.
pub(crate) fn content_coding(headers: &HeaderMap) -> Result<ContentCoding, Error> {
    let value = all_lossy(headers, CONTENT_ENCODING).collect::<Vec<_>>().join(", ");
    ContentCoding::parse(&value).ok_or(Error::UnsupportedEncoding { header: "Content-Encoding", value })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::http) fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn unsupported_coding_is_named() {
        assert_eq!(content_coding(&headers(&[])).unwrap(), ContentCoding::Identity);
        assert_eq!(content_coding(&headers(&[("content-encoding", "GZIP")])).unwrap(), ContentCoding::Gzip);
        let error = content_coding(&headers(&[("content-encoding", "br")])).unwrap_err();
        assert_eq!(error.to_string(), "the host sends an unsupported Content-Encoding: br");
    }
}
