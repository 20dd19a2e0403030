//! Redirects, followed here and not by the HTTP library.
//!
//! The library reads only a `Location` that is ASCII, and encodes it again. Here its bytes stay as they are
//! (`domain::exact_url`); bytes that are not ASCII are percent-encoded one by one, as browsers do, whatever their character set.
//! Each client decides where a redirect may lead. For both it ends after [`MAX_REDIRECTS`], and never goes from https to http.

use percent_encoding::{AsciiSet, percent_encode};
use reqwest::header::LOCATION;
use reqwest::{Response, Url};

use super::error::PolicyViolation;
use crate::domain::exact_url;

const MAX_REDIRECTS: usize = 10;

/// The redirects of one request.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RedirectChain {
    followed: usize,
}

impl RedirectChain {
    /// Where `response`, the answer to `url`, redirects to; none when it is the last one.
    ///
    /// # Errors
    /// When the redirect can't be followed.
    pub(crate) fn next_url(&mut self, url: &Url, response: &Response) -> Result<Option<Url>, PolicyViolation> {
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        let location = response.headers().get(LOCATION).map(|location| location.as_bytes().trim_ascii());
        let Some(location) = location.filter(|location| is_redirect && !location.is_empty()) else { return Ok(None) };
        self.followed += 1;
        let next = if self.followed > MAX_REDIRECTS { Err(PolicyViolation::TooManyRedirects) } else { resolve(url, location) };
        let host = next.as_ref().ok().and_then(Url::host_str);
        tracing::debug!(status = response.status().as_u16(), host, "redirect");
        next.map(Some)
    }
}

/// Resolves a `Location`.
fn resolve(url: &Url, location: &[u8]) -> Result<Url, PolicyViolation> {
    let location = percent_encode(location, &AsciiSet::EMPTY).to_string();
    let next = exact_url::join(url, &location).map_err(|_| PolicyViolation::InvalidRedirect)?;
    match (url.scheme(), next.scheme()) {
        ("https", "http") => Err(PolicyViolation::Downgrade),
        (_, "http" | "https") => Ok(next),
        _ => Err(PolicyViolation::InvalidRedirect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn location_is_resolved_byte_for_byte() {
        let url = exact_url::parse("https://h/a/b?c='").unwrap();
        for (location, expected) in [
            (&b"https://g/x'?y='|{}"[..], Ok("https://g/x'?y='|{}")),
            (b"/x?y=%27'", Ok("https://h/x?y=%27'")),
            (b"x", Ok("https://h/a/x")),
            (b"../x", Ok("https://h/x")),
            (b"?y='", Ok("https://h/a/b?y='")),
            (b"//g/x", Ok("https://g/x")),
            (b"/a b", Ok("https://h/a%20b")),
            // UTF-8 and Latin-1.
            ("/é?é".as_bytes(), Ok("https://h/%C3%A9?%C3%A9")),
            (b"/\xe9?\xe9", Ok("https://h/%E9?%E9")),
            ("https://bücher.example/é".as_bytes(), Ok("https://xn--bcher-kva.example/%C3%A9")),
            (b"http://h/x", Err(PolicyViolation::Downgrade)),
            (b"ftp://h/x", Err(PolicyViolation::InvalidRedirect)),
            (b"data:image/png;base64,AAAA", Err(PolicyViolation::InvalidRedirect)),
            (b"file:///etc/passwd", Err(PolicyViolation::InvalidRedirect)),
            (b"https://", Err(PolicyViolation::InvalidRedirect)),
            (b"https://b\xfccher.example/", Err(PolicyViolation::InvalidRedirect)),
        ] {
            let next = resolve(&url, location);
            assert_eq!(next.as_ref().map(Url::as_str), expected.as_ref().map(|url| *url), "{}", location.escape_ascii());
        }
    }
}
