//! Hides the secrets of a run in everything that people see, and makes text safe for a terminal.
//!
//! There are two kinds of secrets: keys (the API key and the account's access key), which must never appear in any output, and the
//! signed query of a URL, which gives access to the file. [`ApiKey`] has no `Display`, its `Debug` hides the key, and only
//! `expose` returns it. All text from the network is redacted before other code sees it, because a server may echo the key.
//! `url` removes queries, `key_like` hides mistyped keys, and `terminal` escapes control characters.

mod decode;
mod key;
mod key_like;
mod terminal;
mod url;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use key::KeyRedactor;
pub(crate) use key_like::redact_key_like;
pub(crate) use terminal::{escape_control_chars, escape_control_chars_json};
pub(crate) use url::{display_url, redact_urls};

/// The gateway's API key, or the access key of the account.
#[derive(Clone)]
pub struct ApiKey {
    text: String,
    redactor: Arc<KeyRedactor>,
}

/// Why a text can't be a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is blank.
    #[error("the key is empty: put the key there")]
    Empty,
    /// The text contains whitespace, a quote or a character that no HTTP header may contain.
    #[error("the key contains whitespace or a character that no key has; check that you pasted exactly the key")]
    Malformed,
}

impl ApiKey {
    /// Parses a key as people paste it: surrounding whitespace, a pair of quotes and a leading `Bearer ` are removed, in any
    /// order.
    ///
    /// # Errors
    /// When nothing is left, or the rest is not valid in a header or has an unpaired quote.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let key = strip_quotes_and_scheme(text);
        if key.is_empty() {
            return Err(KeyError::Empty);
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic() && !QUOTES.contains(&char::from(byte))) {
            return Err(KeyError::Malformed);
        }
        Ok(Self { text: key.to_owned(), redactor: Arc::new(KeyRedactor::new(key)) })
    }

    /// The same key, which also hides `other` wherever it hides itself.
    #[must_use]
    pub(crate) fn hiding(self, other: &Self) -> Self {
        Self { redactor: Arc::new(self.redactor.merge(&other.redactor)), ..self }
    }

    /// The key itself. Only for the `Authorization` header.
    #[must_use]
    pub(crate) fn expose(&self) -> &str {
        &self.text
    }

    /// `text` with every occurrence of the key replaced, also without its `sk-`, percent-encoded, escaped or in base64.
    ///
    /// A very short key is not replaced: it could be part of an ordinary word.
    #[must_use]
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.redact(text)
    }

    /// As [`ApiKey::redact`], for the text of a JSON document, which stays valid JSON.
    #[must_use]
    pub(crate) fn redact_json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        self.redactor.redact_json(json)
    }

    /// Replaces the key in `text`.
    pub(crate) fn redact_in_place(&self, text: &mut String) {
        if let Cow::Owned(redacted) = self.redact(text) {
            *text = redacted;
        }
    }

    /// Replaces the key in every string in `value`, names too, and in numbers.
    pub(crate) fn redact_json_value(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.redact_in_place(text),
            Value::Number(number) => {
                if let Cow::Owned(redacted) = self.redact(&number.to_string()) {
                    *value = Value::String(redacted);
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.redact_json_value(item)),
            Value::Object(fields) => {
                if fields.keys().any(|name| self.occurs_in(name)) {
                    *fields = std::mem::take(fields)
                        .into_iter()
                        .map(|(name, value)| (self.redact(&name).into_owned(), value))
                        .collect();
                }
                fields.values_mut().for_each(|field| self.redact_json_value(field));
            }
            _ => {}
        }
    }

    /// Whether `text` contains the key.
    #[must_use]
    pub(crate) fn occurs_in(&self, text: &str) -> bool {
        self.redactor.is_match(text)
    }
}

/// Quotes that people and `--env-file` put around a key.
const QUOTES: [char; 2] = ['"', '\''];

/// `text` without whitespace, quotes and `Bearer` around the key.
fn strip_quotes_and_scheme(mut text: &str) -> &str {
    loop {
        text = text.trim_start_matches('\u{feff}').trim();
        let quoted = QUOTES.iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
        let (scheme, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        text = match quoted {
            Some(inside) => inside,
            None if scheme.eq_ignore_ascii_case("bearer") => rest,
            None => return text,
        };
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_keys_are_trimmed_and_unquoted() {
        for text in [
            "sk-abcdef",
            " sk-abcdef\n",
            "Bearer sk-abcdef",
            "bearer  sk-abcdef\r\n",
            "\u{feff}sk-abcdef",
            "\"sk-abcdef\"",
            "'sk-abcdef'\n",
            " \"Bearer sk-abcdef\" ",
            "Bearer \"sk-abcdef\"",
            "\" sk-abcdef \"",
            "'\"sk-abcdef\"'",
        ] {
            assert_eq!(ApiKey::parse(text).unwrap().expose(), "sk-abcdef", "{text:?}");
        }
        for text in ["", " \n", "\"\"", "' '", "\"Bearer \"", "Bearer "] {
            assert!(matches!(ApiKey::parse(text), Err(KeyError::Empty)), "{text:?}");
        }
        for text in ["sk-abc\ndef", "sk-abc def", "sk-äbc", "sk-\u{7}", "\"sk-abc", "sk-abc'", "sk-a\"bc"] {
            assert!(matches!(ApiKey::parse(text), Err(KeyError::Malformed)), "{text:?}");
        }
    }

    #[test]
    fn key_is_hidden_in_debug_and_redacted_in_text() {
        let key = ApiKey::parse("sk-1234567890abcdef").unwrap();
        assert!(!format!("{key:?}").contains("1234"));
        assert_eq!(key.redact("Invalid token sk-1234567890abcdef!"), "Invalid token [key]!");
        assert_eq!(key.redact("Invalid token 1234567890abcdef"), "Invalid token [key]");
        assert_eq!(key.redact("nothing here"), "nothing here");
        assert_eq!(ApiKey::parse("abc123").unwrap().redact("no abc123"), "no [key]");
        assert_eq!(ApiKey::parse("cat").unwrap().redact("a cat"), "a cat", "too short to be distinguished from a word");
    }
}
