//! The API key and media URLs, held so that showing them is safe.
//!
//! Owns the only two secrets of a run: the key, which must never appear in any output, and signed
//! query strings, which give away the file to whoever reads them. A key has no `Display`, its
//! `Debug` hides it, and whatever the network echoes of it is scrubbed before anyone else sees the
//! text. The raw forms are asked for by name (`expose`). What else the network says is made fit for
//! people here too: what signs a link is cut off, and control characters are shown.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;
use url::Url;

use crate::data_uri;

const HIDDEN: &str = "[key]";

/// The gateway's API key.
#[derive(Clone)]
pub struct ApiKey(String);

/// Why a text can't be a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing but blanks.
    #[error("the API key is empty")]
    Empty,
    /// A line break, a blank or a character that no HTTP header can carry stands inside.
    #[error("the API key contains a blank or a character that no key has; was it pasted whole, and alone?")]
    Malformed,
}

impl ApiKey {
    /// Takes a key as people paste it: blanks around it and a leading `Bearer ` are dropped.
    ///
    /// # Errors
    /// When nothing is left, or what is left can't stand in a header.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim_start_matches('\u{feff}').trim();
        let key = match text.split_once(char::is_whitespace) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") => rest.trim(),
            _ => text,
        };
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Malformed);
        }
        Ok(Self(key.to_owned()))
    }

    /// The key itself, for the `Authorization` header and nothing else.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with every occurrence of the key taken out, also without its `sk-`.
    ///
    /// Very short keys are left alone: they would eat ordinary words.
    #[must_use]
    pub(crate) fn scrub<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let bare = self.0.strip_prefix("sk-");
        let mut scrubbed = Cow::Borrowed(text);
        for (secret, least) in [(self.0.as_str(), if bare.is_some() { 5 } else { 6 }), (bare.unwrap_or(""), 12)] {
            if secret.len() >= least && scrubbed.contains(secret) {
                scrubbed = Cow::Owned(scrubbed.replace(secret, HIDDEN));
            }
        }
        scrubbed
    }

    /// Takes the key out of every text in `value`, names too.
    pub(crate) fn scrub_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(scrubbed) = self.scrub(text) {
                    *text = scrubbed;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.scrub_json(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| self.is_in(name)) {
                    *fields =
                        std::mem::take(fields).into_iter().map(|(name, value)| (self.scrub(&name).into_owned(), value)).collect();
                }
                fields.values_mut().for_each(|field| self.scrub_json(field));
            }
            _ => {}
        }
    }

    /// Whether showing `text` would show the key.
    #[must_use]
    pub(crate) fn is_in(&self, text: &str) -> bool {
        matches!(self.scrub(text), Cow::Owned(_))
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([hidden])")
    }
}

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
    fn a_key_is_taken_as_people_paste_it() {
        for text in ["sk-abcdef", " sk-abcdef\n", "Bearer sk-abcdef", "bearer  sk-abcdef\r\n", "\u{feff}sk-abcdef"] {
            assert_eq!(ApiKey::parse(text).unwrap().expose(), "sk-abcdef", "{text:?}");
        }
        assert!(matches!(ApiKey::parse(" \n"), Err(KeyError::Empty)));
        for text in ["sk-abc\ndef", "sk-abc def", "sk-äbc", "sk-\u{7}"] {
            assert!(matches!(ApiKey::parse(text), Err(KeyError::Malformed)), "{text:?}");
        }
    }

    #[test]
    fn a_key_never_shows() {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        assert!(!format!("{key:?}").contains("1234"));
        assert_eq!(key.scrub("Invalid token sk-1234567890abcdef!"), "Invalid token [key]!");
        assert_eq!(key.scrub("Invalid token 1234567890abcdef"), "Invalid token [key]");
        assert_eq!(key.scrub("nothing here"), "nothing here");
        assert_eq!(ApiKey::parse("abc123").unwrap().scrub("no abc123"), "no [key]");
        assert_eq!(ApiKey::parse("cat").unwrap().scrub("a cat"), "a cat", "too short to be told from a word");
    }

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
