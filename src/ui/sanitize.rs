//! Makes text safe to print: no API key, no signed URL, no control character.
//!
//! Every message goes through [`for_terminal`]. Paths go through `escape_control_chars` alone, because a path must stay one
//! that can be opened. The keys of this process are registered here, and `output_buffer` removes them from everything that
//! is written, whatever it is.

use std::borrow::Cow;
use std::sync::{PoisonError, RwLock};

use crate::redact::{ApiKey, escape_control_chars, redact_key_like, redact_urls};

/// The limit of one message in characters. A response from the network may be much longer.
const MAX_MESSAGE_CHARS: usize = 2000;

/// The keys of this process.
static KEYS: RwLock<Vec<ApiKey>> = RwLock::new(Vec::new());

/// Removes `key` from everything that is printed from now on.
pub(crate) fn register_key(key: &ApiKey) {
    let mut keys = KEYS.write().unwrap_or_else(PoisonError::into_inner);
    if !keys.iter().any(|registered| registered.expose() == key.expose()) {
        keys.push(key.clone());
    }
}

/// A message for people, at most [`MAX_MESSAGE_CHARS`] long: without keys, without words that look like keys, without the
/// queries and passwords of URLs, and with control characters escaped.
pub(crate) fn for_terminal(message: &str) -> String {
    // Keys are removed before the text is cut: a part of a key could not be found.
    let message = redact_keys(message);
    let (text, ellipsis) = match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => (&message[..end], "…"),
        None => (&*message, ""),
    };
    escape_control_chars(&redact_urls(&redact_key_like(text))).into_owned() + ellipsis
}

/// The text without the registered keys.
pub(crate) fn redact_keys(text: &str) -> Cow<'_, str> {
    redact_with(text, ApiKey::redact)
}

/// The text of a JSON document without the registered keys. It stays valid JSON.
pub(crate) fn redact_keys_in_json(json: &str) -> Cow<'_, str> {
    redact_with(json, ApiKey::redact_json)
}

fn redact_with(text: &str, redact: for<'a> fn(&ApiKey, &'a str) -> Cow<'a, str>) -> Cow<'_, str> {
    let keys = KEYS.read().unwrap_or_else(PoisonError::into_inner);
    keys.iter().fold(Cow::Borrowed(text), |text, key| match redact(key, &text) {
        Cow::Owned(redacted) => Cow::Owned(redacted),
        Cow::Borrowed(_) => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_shortened_and_made_safe() {
        let message = "no sk-0123456789abcdef at https://u:p@h/x?sig=1\u{1b}[31m";
        assert_eq!(for_terminal(message), "no [key] at https://h/x\\u{1b}[31m");
        let long = for_terminal(&"ä".repeat(MAX_MESSAGE_CHARS + 1));
        assert_eq!(long, "ä".repeat(MAX_MESSAGE_CHARS) + "…");
    }
}
