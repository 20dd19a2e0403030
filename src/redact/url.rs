//! URLs as people may see them, alone and inside text: without user, password, query and fragment.

use std::borrow::Cow;
use std::ops::Range;

use url::Url;

use super::decode::{self, DecodedChar, EscapeStyle};
use super::terminal::escape_control_chars;
use crate::media::data_uri;

/// A longer word is looked at piece by piece, in bytes: each piece takes several times its size.
const MAX_WORD_LEN: usize = 64 << 10;

/// A URL for people to read: without user, password, query and fragment, its control characters visible.
#[must_use]
pub(crate) fn display_url(url: &str) -> String {
    if data_uri::is_data_uri(url) {
        return "data:".to_owned();
    }
    match Url::parse(url) {
        Ok(mut url) if !url.cannot_be_a_base() => {
            url.set_query(None);
            url.set_fragment(None);
            // Both only fail for URLs that can't have them.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => {
            let bare = url.split(['?', '#']).next().unwrap_or_default();
            // No URL, but what stands before an `@` may be a password all the same.
            let scheme = bare.find("://").map_or("", |end| &bare[..end + 3]);
            let host = bare[scheme.len()..].rsplit('@').next().unwrap_or_default();
            escape_control_chars(&format!("{scheme}{host}")).into_owned()
        }
    }
}

/// Words from the network, for people: user, password, query and fragment of the URLs inside are cut off, in whatever escaping
/// they are written. Where it is not clear what belongs to a URL, rather too much is cut off than too little.
#[must_use]
pub(crate) fn redact_urls(text: &str) -> Cow<'_, str> {
    if !text.contains(['?', '#', '@', '%', '\\', '&']) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut kept, mut at) = (String::new(), 0, 0);
    while at < text.len() {
        let word = find_word_end(text, at).max(at + decode::decode_first(&text[at..]).map_or(1, |unit| unit.len));
        let secrets = UrlSecrets::find(&text[at..word]);
        if let Some(user) = secrets.userinfo {
            shown.push_str(&text[kept..at + user.start]);
            kept = at + user.end;
        }
        at = match secrets.query {
            None => word,
            Some(query) => {
                let (start, end) = (at + query, find_query_end(text, at + query));
                shown.push_str(&text[kept..start]);
                kept = start + text[start..end].trim_end_matches(['\'', ')', ']', '}', ',', ';']).len();
                end
            }
        };
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[kept..]);
    Cow::Owned(shown)
}

/// What is secret in a word that has no blanks: at most one URL, whatever stands before it.
#[derive(Default)]
struct UrlSecrets {
    /// User and password.
    userinfo: Option<Range<usize>>,
    /// Where the query begins, or anything else that goes on to the end of the URL.
    query: Option<usize>,
}

impl UrlSecrets {
    fn find(word: &str) -> Self {
        let units: Vec<(usize, char)> = decode::decode_all(word).map(|(at, unit)| (at, unit.char)).collect();
        let is_slash = |index: usize| units.get(index).is_some_and(|(_, char)| matches!(char, '/' | '\\'));
        for (index, (at, char)) in units.iter().enumerate() {
            if is_slash(index) && is_slash(index + 1) && units.len() > index + 2 {
                return Self::find_in_url(&units[index + 2..]);
            }
            // A query whose URL has no host: `/x?sig=1`.
            if *char == '?' && index > 0 && is_query_param(&units[index + 1..]) {
                return Self { query: Some(*at), ..Self::default() };
            }
        }
        Self::default()
    }

    /// Of a URL without its scheme.
    fn find_in_url(units: &[(usize, char)]) -> Self {
        let find = |chars: &[char]| units.iter().position(|(_, char)| chars.contains(char));
        let last_at = |end: usize| units[..end].iter().rposition(|(_, char)| *char == '@');
        let (start, query) = (units[0].0, find(&['?', '#']));
        let host_end = find(&['/', '\\', '?', '#']).unwrap_or(units.len());
        let host: String = units[..host_end].iter().map(|(_, char)| *char).collect();
        // A password may hold what ends a host.
        let port = host.rsplit_once(']').map_or(&*host, |(_, port)| port).split_once(':').map(|(_, port)| port);
        let is_odd = port.is_some_and(|port| !port.bytes().all(|byte| byte.is_ascii_digit()));
        let user = last_at(host_end).or_else(|| is_odd.then(|| last_at(units.len())).flatten());
        let user = user.filter(|at| query.is_none_or(|query| *at < query));
        let query = query.map(|query| units[query].0);
        match user.and_then(|at| units.get(at + 1)) {
            Some((host, _)) => Self { userinfo: Some(start..*host), query },
            // Nothing follows the user, or what looks like a host begins a password.
            None if user.is_some() || (is_odd && query.is_some()) => Self { userinfo: None, query: Some(start) },
            None => Self { userinfo: None, query },
        }
    }
}

/// Whether it begins as a field of a query does: `name=`.
fn is_query_param(units: &[(usize, char)]) -> bool {
    let is_name = |char: char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '[' | ']');
    let name = units.iter().take_while(|(_, char)| is_name(*char)).count();
    name > 0 && units.get(name).is_some_and(|(_, char)| *char == '=')
}

/// Whether a unit ends a word. What is encoded ends nothing.
fn ends_word(unit: DecodedChar) -> bool {
    let is_end = unit.char.is_whitespace() || unit.char.is_control() || matches!(unit.char, '"' | '`' | '<' | '>');
    is_end && unit.style != EscapeStyle::Encoded
}

fn find_word_end(text: &str, from: usize) -> usize {
    decode::decode_all(&text[from..])
        .find(|(at, unit)| ends_word(*unit) || *at >= MAX_WORD_LEN)
        .map_or(text.len(), |(at, _)| from + at)
}

/// Where a query ends that is not over at `from`; quotes around a value belong to it, and what is between them.
fn find_query_end(text: &str, from: usize) -> usize {
    let mut units = decode::decode_all(&text[from..]);
    let mut before = ' ';
    while let Some((at, unit)) = units.next() {
        if before == '=' && matches!(unit.char, '"' | '\'') {
            if !units.any(|(_, end)| end.char == unit.char) {
                return text.len();
            }
        } else if ends_word(unit) {
            return from + at;
        }
        before = unit.char;
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
