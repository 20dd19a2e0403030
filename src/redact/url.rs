//! Removes the secrets from URLs, alone and inside text: user, password, query and fragment.
//!
//! In a text from the network, a URL may be written in any escaping. Where its end is not clear, too much is removed rather
//! than too little.

use std::borrow::Cow;
use std::ops::Range;

use url::Url;

use super::decode::{self, DecodedChar, EscapeStyle};
use super::terminal::escape_control_chars;
use crate::media::data_uri;

/// A longer word is processed in pieces of this many bytes, because a piece takes several times its size in memory.
const MAX_WORD_LEN: usize = 64 << 10;

/// A URL for people: without user, password, query and fragment, with control characters escaped.
#[must_use]
pub(crate) fn display_url(url: &str) -> String {
    if data_uri::is_data_uri(url) {
        return "data:".to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) if !url.cannot_be_a_base() => {
            url.set_query(None);
            url.set_fragment(None);
            // Both fail only for URLs that have neither.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => {
            let bare = url.split(['?', '#']).next().unwrap_or_default();
            // It is no URL, but the text before an `@` may still be a password.
            let scheme = bare.find("://").map_or("", |end| &bare[..end + 3]);
            let host = bare[scheme.len()..].rsplit('@').next().unwrap_or_default();
            escape_control_chars(&format!("{scheme}{host}")).into_owned()
        }
    }
}

/// `text` with the user, password, query and fragment removed from each URL in it, in any escaping.
#[must_use]
pub(crate) fn redact_urls(text: &str) -> Cow<'_, str> {
    if !text.contains(['?', '#', '@', '%', '\\', '&']) {
        return Cow::Borrowed(text);
    }
    let (mut redacted, mut copied, mut at) = (String::new(), 0, 0);
    while at < text.len() {
        let word = find_word_end(text, at).max(at + decode::decode_first(&text[at..]).map_or(1, |first| first.len));
        let secrets = UrlSecrets::find(&text[at..word]);
        if let Some(user) = secrets.userinfo {
            redacted.push_str(&text[copied..at + user.start]);
            copied = at + user.end;
        }
        at = match secrets.query {
            None => word,
            Some(query) => {
                let (start, end) = (at + query, find_query_end(text, at + query));
                redacted.push_str(&text[copied..start]);
                copied = start + text[start..end].trim_end_matches(['\'', ')', ']', '}', ',', ';']).len();
                end
            }
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied..]);
    Cow::Owned(redacted)
}

/// The secrets in a word, which has no whitespace: at most one URL, with any prefix.
#[derive(Default)]
struct UrlSecrets {
    /// The range of user and password.
    userinfo: Option<Range<usize>>,
    /// The start of the query, or of anything else that reaches to the end of the URL.
    query: Option<usize>,
}

impl UrlSecrets {
    fn find(word: &str) -> Self {
        let chars: Vec<(usize, char)> = decode::decode_all(word).map(|(at, decoded)| (at, decoded.char)).collect();
        let is_slash = |index: usize| chars.get(index).is_some_and(|(_, char)| matches!(char, '/' | '\\'));
        for (index, (at, char)) in chars.iter().enumerate() {
            if is_slash(index) && is_slash(index + 1) && chars.len() > index + 2 {
                return Self::find_in_url(&chars[index + 2..]);
            }
            // The query of a URL without a host: `/x?sig=1`.
            if *char == '?' && index > 0 && is_query_param(&chars[index + 1..]) {
                return Self { query: Some(*at), ..Self::default() };
            }
        }
        Self::default()
    }

    /// The secrets of a URL, from behind its scheme.
    fn find_in_url(chars: &[(usize, char)]) -> Self {
        let find = |wanted: &[char]| chars.iter().position(|(_, char)| wanted.contains(char));
        let last_at = |end: usize| chars[..end].iter().rposition(|(_, char)| *char == '@');
        let (start, query) = (chars[0].0, find(&['?', '#']));
        let host_end = find(&['/', '\\', '?', '#']).unwrap_or(chars.len());
        let host: String = chars[..host_end].iter().map(|(_, char)| *char).collect();
        // A password may contain characters that end a host.
        let port = host.rsplit_once(']').map_or(&*host, |(_, port)| port).split_once(':').map(|(_, port)| port);
        let is_odd = port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()));
        let user = last_at(host_end).or_else(|| is_odd.then(|| last_at(chars.len())).flatten());
        let user = user.filter(|at| query.is_none_or(|query| *at < query));
        let query = query.map(|query| chars[query].0);
        match user.and_then(|at| chars.get(at + 1)) {
            Some((host, _)) => Self { userinfo: Some(start..*host), query },
            // Either nothing follows the user, or the apparent host is the beginning of a password.
            None if user.is_some() || (is_odd && query.is_some()) => Self { userinfo: None, query: Some(start) },
            None => Self { userinfo: None, query },
        }
    }
}

/// Whether the text begins with a field of a query: `name=`.
fn is_query_param(chars: &[(usize, char)]) -> bool {
    let is_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '[' | ']');
    let name = chars.iter().take_while(|(_, char)| is_name(*char)).count();
    name > 0 && chars.get(name).is_some_and(|(_, char)| *char == '=')
}

/// Whether a character ends a word. An encoded one does not.
fn ends_word(found: DecodedChar) -> bool {
    let is_end = found.char.is_whitespace() || found.char.is_control() || matches!(found.char, '"' | '`' | '<' | '>');
    is_end && found.style != EscapeStyle::Encoded
}

fn find_word_end(text: &str, from: usize) -> usize {
    decode::decode_all(&text[from..])
        .find(|(at, found)| ends_word(*found) || *at >= MAX_WORD_LEN)
        .map_or(text.len(), |(at, _)| from + at)
}

/// The end of the query that contains `from`. A quoted value belongs to it as a whole.
fn find_query_end(text: &str, from: usize) -> usize {
    let mut rest = decode::decode_all(&text[from..]);
    let mut before = ' ';
    while let Some((at, found)) = rest.next() {
        if before == '=' && matches!(found.char, '"' | '\'') {
            if !rest.any(|(_, end)| end.char == found.char) {
                return text.len();
            }
        } else if ends_word(found) {
            return from + at;
        }
        before = found.char;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_urls_lose_query_and_credentials() {
        for (url, shown) in [
            ("https://user:pw@cdn.example/a/b.mp4?sig=1#f", "https://cdn.example/a/b.mp4"),
            ("data:image/png;base64,AAAA", "data:"),
            ("/relative?token=1", "/relative"),
            ("gs://bucket/x?y=1", "gs://bucket/x"),
            ("no\u{1b}[31murl", "no\\u{1b}[31murl"),
            ("https://user:pw@", "https://"),
            ("user:pw@host/x", "host/x"),
            ("//user:p@w@host:port", "host:port"),
        ] {
            assert_eq!(display_url(url), shown);
        }
    }

    #[test]
    fn urls_inside_text_lose_query_and_credentials() {
        for (text, shown) in [
            ("could not fetch https://h/x.png?sig=SECRET", "could not fetch https://h/x.png"),
            ("\"https://h/x?a=1\", (http://h/y#z) why?", "\"https://h/x\", (http://h/y) why?"),
            ("is it? #1 a://b", "is it? #1 a://b"),
            ("http://h/x?w-4,h-3;(a)'b'&sig=SECRET, and http://h/y?SECRET;", "http://h/x, and http://h/y;"),
            ("why?http://h/x?SECRET", "why?http://h/x"),
            (r#"{"url":"http://h/x?a=1","b":[2]}"#, r#"{"url":"http://h/x","b":[2]}"#),
            ("nothing here", "nothing here"),
            (r"https:\/\/h\/x.png?sig=SECRET", r"https:\/\/h\/x.png"),
            (r"https:\\/\\/h\\/x?sig=SECRET end", r"https:\\/\\/h\\/x end"),
            (r"https:\u002f\u002Fh\u002fx\u003fsig=SECRET", r"https:\u002f\u002Fh\u002fx"),
            (r#"{\"u\":\"https:\/\/h\/x?sig=SECRET\",\"n\":1}"#, r#"{\"u\":\"https:\/\/h\/x\",\"n\":1}"#),
            ("https://user:SECRET@h/x, why", "https://h/x, why"),
            ("HTTPS://SECRET@h:80/x?SECRET", "HTTPS://h:80/x"),
            ("https://user:SE/CRET@h/x", "https://h/x"),
            ("https://user:SE?CRET@h/x end", "https:// end"),
            ("https://user:SECRET@ end", "https:// end"),
            ("http://[::1]:80/@x", "http://[::1]:80/@x"),
            ("http://h:80/@x", "http://h:80/@x"),
            (r#"http://h/x?a="SECRET 1"&b=SECRET end"#, "http://h/x end"),
            (r#"http://h/x?a=\"SECRET 1\"&b=SECRET" end"#, "http://h/x\" end"),
            ("http://h/x?a='SECRET 1' end", "http://h/x' end"),
            ("http://h/x?a=\"SECRET 1", "http://h/x"),
            ("http://h/x?a=1&amp;sig=SECRET end", "http://h/x end"),
            ("<a href='http://h/x?sig=SECRET'>x</a>", "<a href='http://h/x'>x</a>"),
            ("https%3A%2F%2Fh%2Fx%3Fsig%3DSECRET%20SECRET end", "https%3A%2F%2Fh%2Fx end"),
            ("https%253A%252F%252Fu%253ASECRET%2540h%252Fx%253Fsig", "https%253A%252F%252Fh%252Fx"),
            ("https&#58;&#47;&#47;h&#47;x&#63;sig=SECRET", "https&#58;&#47;&#47;h&#47;x"),
            ("see //h/x?SECRET", "see //h/x"),
            ("//user:SECRET@h/x", "//h/x"),
            ("GET /x.png?sig=SECRET failed", "GET /x.png failed"),
            ("x.png?X-Amz-Signature=SECRET", "x.png"),
            ("yes/no? and/or? 5 > 3", "yes/no? and/or? 5 > 3"),
            ("can't read /a/b#1/c%20d: 100%", "can't read /a/b#1/c%20d: 100%"),
            ("me@example.com", "me@example.com"),
        ] {
            assert_eq!(redact_urls(text), shown, "{text}");
        }
    }
}
