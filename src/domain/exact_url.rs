//! URLs whose path and query stay as they were given, byte for byte where HTTP allows.
//!
//! `Url::parse` percent-encodes characters that HTTP allows as they are (`'` in a query, `{` in a path). The signature of a
//! signed URL covers the bytes that were given, so its host refuses the encoded form. [`parse`] and [`join`] put the given bytes
//! back. Everything that changes where a URL leads stays as `Url` reads it: scheme, user, host and port, backslashes, and paths
//! with dot segments. Blanks, control characters, `"`, `<`, `>` and what is not ASCII are encoded, because no request may
//! contain them.
//!
//! Invariant: a URL made here is the one that `Url` parses from the same text, except for the encoding of its path and query.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::{ParseError, Url};

/// What a query can't contain as it is.
const QUERY: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');
/// What a path can't contain as it is: the HTTP library refuses a backtick there.
const PATH: &AsciiSet = &QUERY.add(b'`');

/// Parses an absolute URL.
///
/// # Errors
/// As for [`Url::parse`].
pub(crate) fn parse(text: &str) -> Result<Url, ParseError> {
    Url::parse(text).map(|url| restore(url, text))
}

/// Resolves a reference against `base`.
///
/// # Errors
/// As for [`Url::join`].
pub(crate) fn join(base: &Url, reference: &str) -> Result<Url, ParseError> {
    base.join(reference).map(|url| restore(url, reference))
}

/// `url`, parsed from `text`, with the path and the query as `text` has them.
fn restore(url: Url, text: &str) -> Url {
    if url.as_str() == text {
        return url;
    }
    // `Url` ignores these everywhere.
    let text: String = text.chars().filter(|char| !matches!(char, '\t' | '\n' | '\r')).collect();
    let (path, query) = raw_parts(text.trim_matches(|char: char| char <= ' '));
    let mut exact = url.clone();
    exact.set_fragment(None);
    let path = path.filter(|path| !has_dot_segment(path)).map(|path| utf8_percent_encode(path, PATH).to_string());
    let mut target = path.unwrap_or_else(|| exact.path().to_owned());
    let query_start = origin_len(&exact) + target.len();
    let query = query.filter(|_| exact.query().is_some());
    if let Some(query) = query.map(|query| utf8_percent_encode(query, QUERY).to_string()).or(exact.query().map(str::to_owned)) {
        target = format!("{target}?{query}");
    }
    let whole = format!("{}{target}", &exact.as_str()[..origin_len(&exact)]);
    if whole == exact.as_str() || Url::parse(&whole) != Url::parse(exact.as_str()) {
        return url;
    }
    with_text(&exact, &whole, query_start).unwrap_or(url)
}

/// `url` as `text`, whose query begins at `query_start`, if there is one.
///
/// The only way to do this is the internal form of `Url`. Where the debug assertions of the `url` crate are compiled in, it
/// refuses the text, and the caller keeps the encoded form. `Cargo.toml` switches these assertions off for our own builds.
fn with_text(url: &Url, text: &str, query_start: usize) -> Option<Url> {
    let mut fields = url.serialize_internal(serde_json::value::Serializer).ok()?;
    // The serialized text is the first field, the start of the query the last but one.
    *fields.get_mut(0)? = text.into();
    let start = fields.get_mut(8)?;
    if !start.is_null() {
        *start = query_start.into();
    }
    let exact = Url::deserialize_internal(fields).ok()?;
    (exact.as_str() == text && exact.path() == &text[origin_len(url)..query_start]).then_some(exact)
}

/// The length of everything before the path.
fn origin_len(url: &Url) -> usize {
    url[..url::Position::BeforePath].len()
}

/// The path and the query in the text of a URL or reference, as far as it has them. A relative path counts as none.
fn raw_parts(text: &str) -> (Option<&str>, Option<&str>) {
    let text = text.split('#').next().unwrap_or_default();
    let (before, query) = text.split_once('?').map_or((text, None), |(before, query)| (before, Some(query)));
    let is_scheme = |scheme: &str| scheme.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.'));
    let rest = before.split_once(':').filter(|(scheme, _)| is_scheme(scheme)).map_or(before, |(_, rest)| rest);
    let path = match rest.strip_prefix("//") {
        // `Url` skips more slashes before a host.
        Some(authority) => authority.find('/').filter(|at| *at > 0).map(|at| &authority[at..]),
        None => Some(rest).filter(|rest| rest.starts_with('/')),
    };
    // A backslash may end the host.
    (path.filter(|_| !before.contains('\\')), query)
}

fn has_dot_segment(path: &str) -> bool {
    path.split('/').any(|segment| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_http_allows_stay_as_they_are() {
        for url in [
            "https://h/a.png?sig='x'&a=1",
            "https://h/a'b.png",
            "https://h/a|b{c}^d?e|f{g}^h`i\\j[k]",
            "https://h/a%2Fb%2f%27?c=%2F%27%zz&d=%",
            "https://h//a//b/?x=//",
            "https://h/?",
            "https://h/a?b?c='?d",
            "https://h/!$&'()*+,;=:@~-._?!$&'()*+,;=:@/?~-._",
            "https://user:pw@h:8080/a?b='",
            "https://[2606:4700::1]:1/a?b='",
        ] {
            assert_eq!(parse(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn what_no_request_may_contain_is_encoded() {
        for (url, sent) in [
            ("https://h/ä b\"<>`?ä b\"<>'", "https://h/%C3%A4%20b%22%3C%3E%60?%C3%A4%20b%22%3C%3E'"),
            ("  HTTPS://H:443/a\t?b='\nc#d' ", "https://h/a?b='c"),
            ("https://h?a='", "https://h/?a='"),
            ("https://h#a'", "https://h/#a'"),
            ("https://h/a'#", "https://h/a'#"),
            ("https://h/\u{1}?'\u{7f}", "https://h/%01?'%7F"),
        ] {
            assert_eq!(parse(url).unwrap().as_str(), sent, "{url}");
        }
    }

    #[test]
    fn host_and_dot_segments_are_those_of_the_standard() {
        for (url, sent) in [
            ("https://h/a/../b'{?c='", "https://h/b'%7B?c='"),
            ("https://h/a/%2E%2e/b?c='", "https://h/b?c='"),
            ("https://h\\a'?c='", "https://h/a'?c='"),
            ("https://h/a\\b?c=\\'", "https://h/a/b?c=\\'"),
            ("https://a\\@b/c?d='", "https://a/@b/c?d='"),
            ("https:///h/a?b='", "https://h/a?b='"),
        ] {
            let url = parse(url).unwrap();
            assert_eq!((url.as_str(), url.path().contains('?')), (sent, false));
        }
        assert!(parse("https://").is_err() && parse("/a?'").is_err());
    }

    #[test]
    fn reference_is_resolved_with_its_own_bytes() {
        let base = parse("https://h/a/b?x='").unwrap();
        for (reference, sent) in [
            ("c?d='", "https://h/a/c?d='"),
            ("../c?d='", "https://h/c?d='"),
            ("?d='", "https://h/a/b?d='"),
            ("/c{'?d='#e", "https://h/c{'?d='"),
            ("//g/c'?d='", "https://g/c'?d='"),
            ("http://g:81/c'?d='", "http://g:81/c'?d='"),
            ("/c d?e f'", "https://h/c%20d?e%20f'"),
            ("", "https://h/a/b?x='"),
        ] {
            assert_eq!(join(&base, reference).unwrap().as_str(), sent, "{reference}");
        }
        let odd = parse("https://h/a{/b?x='").unwrap();
        assert_eq!(join(&odd, "c?d='").unwrap().as_str(), "https://h/a{/c?d='");
    }

    #[test]
    fn parts_of_an_exact_url_are_those_of_its_text() {
        let mut url = parse("https://u:p@h:81/a'{b?c='&d").unwrap();
        assert_eq!((url.path(), url.query()), ("/a'{b", Some("c='&d")));
        assert_eq!((url.host_str(), url.port(), url.username(), url.password()), (Some("h"), Some(81), "u", Some("p")));
        url.set_username("").unwrap();
        url.set_password(None).unwrap();
        assert_eq!(url.as_str(), "https://h:81/a'{b?c='&d");
        url.set_query(None);
        assert_eq!(url.as_str(), "https://h:81/a'{b");
    }
}
