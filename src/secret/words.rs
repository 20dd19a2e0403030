//! Words from the network, made fit for people: what signs a URL is cut off, and control characters are shown.

use std::borrow::Cow;

use url::Url;

use crate::data_uri;

/// A URL for people to read: without user, password, query and fragment, its control characters visible.
#[must_use]
pub(crate) fn shown_url(url: &str) -> String {
    if data_uri::is_one(url) {
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
            visible(&format!("{scheme}{host}")).into_owned()
        }
    }
}

/// Words from the network, for people: what signs the URLs inside is cut off.
#[must_use]
pub(crate) fn unsigned(text: &str) -> Cow<'_, str> {
    if !text.contains("://") || !text.contains(['?', '#']) {
        return Cow::Borrowed(text);
    }
    // Inside a query much may stand that ends a word elsewhere: rather too much is cut off than too little.
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>');
    let is_after = |c: char| is_end(c) || matches!(c, '\'' | ')' | ']' | '}' | ',' | ';');
    let words = text.split_inclusive(is_end).map(|word| {
        let (url, end) = word.split_at(word.trim_end_matches(is_after).len());
        let query = url.find("://").and_then(|scheme| Some(scheme + url[scheme..].find(['?', '#'])?));
        query.map_or_else(|| word.to_owned(), |query| format!("{}{end}", &url[..query]))
    });
    Cow::Owned(words.collect())
}

/// Text from the network as a terminal may have it: control characters are shown, not sent.
#[must_use]
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_hostile(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    }))
}

/// JSON as a terminal may have it: what it leaves of control characters in its texts is escaped, which says the same.
#[must_use]
pub(crate) fn visible_json(json: String) -> String {
    if !json.contains(is_hostile) {
        return json;
    }
    let escaped = |c: char| if is_hostile(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escaped).collect()
}

/// Whether a terminal would do something else than show it.
fn is_hostile(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_what_signs_them() {
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
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn words_lose_what_signs_the_urls_inside() {
        for (text, shown) in [
            ("could not fetch https://h/x.png?sig=SECRET", "could not fetch https://h/x.png"),
            ("\"https://h/x?a=1\", (http://h/y#z) why?", "\"https://h/x\", (http://h/y) why?"),
            ("is it? #1 a://b", "is it? #1 a://b"),
            ("http://h/x?w-4,h-3;(a)'b'&sig=SECRET, and http://h/y?SECRET;", "http://h/x, and http://h/y;"),
            ("why?http://h/x?SECRET", "why?http://h/x"),
            (r#"{"url":"http://h/x?a=1","b":[2]}"#, r#"{"url":"http://h/x","b":[2]}"#),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(unsigned(text), shown);
        }
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(visible("plain – text"), "plain – text");
        assert_eq!(visible("a\u{1b}]0;x\u{7}\r\nb\u{202e}c\u{9b}d"), "a\\u{1b}]0;x\\u{7}\\r\\nb\\u{202e}c\\u{9b}d");
    }
}
