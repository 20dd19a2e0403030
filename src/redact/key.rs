//! Finds and replaces the API key in a text, in any form in which servers and programs write it.
//!
//! The forms: with and without `sk-`, in any letter case, percent-encoded, JSON-escaped, as HTML entities, and inside base64
//! text, where the key has three alignments. One pass searches for all of them.

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::decode;

/// The text that replaces the key.
const PLACEHOLDER: &str = "[key]";

/// The search patterns for one key.
#[derive(Debug)]
pub(super) struct KeyRedactor {
    patterns: Vec<Pattern>,
    /// For each byte, whether a pattern may begin with it.
    first_bytes: [bool; 256],
}

/// One form of the key.
#[derive(Clone, Debug)]
struct Pattern {
    text: Vec<u8>,
    /// In base64, letter case counts, and `-_` equal `+/`.
    is_base64: bool,
    /// Whether the character before the pattern, or behind it, contains some bits of the key.
    edges: (bool, bool),
}

impl KeyRedactor {
    /// A very short key gets no patterns: it could be part of an ordinary word.
    pub(super) fn new(key: &str) -> Self {
        let bare = key.strip_prefix("sk-");
        let min_len = if bare.is_some() { 5 } else { 6 };
        let secrets = [Some(key).filter(|key| key.len() >= min_len), bare.filter(|bare| bare.len() >= 12)];
        let mut patterns: Vec<Pattern> = Vec::new();
        for secret in secrets.iter().flatten() {
            patterns.push(Pattern { text: secret.as_bytes().to_vec(), is_base64: false, edges: (false, false) });
        }
        for secret in secrets.iter().flatten() {
            // A key may contain an escape. When it is encoded once more, the search decodes both layers.
            let decoded: String = decode::decode_all(secret).map(|(_, found)| found.char).collect();
            if decoded != *secret && decoded.is_ascii() && decoded.len() >= min_len {
                patterns.push(Pattern { text: decoded.into_bytes(), is_base64: false, edges: (false, false) });
            }
        }
        for secret in secrets.iter().flatten() {
            patterns.extend((0..3).map(|before| base64_pattern(secret, before)));
        }
        let mut first_bytes = [false; 256];
        for pattern in &patterns {
            for byte in 0..=u8::MAX {
                first_bytes[usize::from(byte)] |=
                    matches!(byte, b'%' | b'\\' | b'&') || pattern.matches_char(0, char::from(byte));
            }
        }
        Self { patterns, first_bytes }
    }

    /// Searches for both keys.
    pub(super) fn merge(&self, other: &Self) -> Self {
        Self {
            patterns: self.patterns.iter().chain(&other.patterns).cloned().collect(),
            first_bytes: std::array::from_fn(|byte| self.first_bytes[byte] || other.first_bytes[byte]),
        }
    }

    /// `text` with the key replaced.
    pub(super) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(mut found) = self.find(text, 0) else { return Cow::Borrowed(text) };
        let (mut redacted, mut at) = (String::with_capacity(text.len()), 0);
        loop {
            redacted.push_str(&text[at..found.start]);
            redacted.push_str(PLACEHOLDER);
            at = found.end;
            match self.find(text, at) {
                Some(next) => found = next,
                None => break,
            }
        }
        redacted.push_str(&text[at..]);
        Cow::Owned(redacted)
    }

    /// As `redact`, for the text of a JSON document, which stays valid JSON: only strings change, and numbers that are the key.
    pub(super) fn redact_json<'a>(&self, json: &'a str) -> Cow<'a, str> {
        if self.find(json, 0).is_none() {
            return Cow::Borrowed(json);
        }
        let (mut redacted, mut rest) = (String::with_capacity(json.len()), json);
        while let Some(start) = rest.find(|c: char| matches!(c, '"' | '-') || c.is_ascii_digit()) {
            redacted.push_str(&rest[..start]);
            rest = &rest[start..];
            let token = match rest.strip_prefix('"') {
                Some(inside) => 1 + json_string_end(inside),
                None => rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '+' | '-')).unwrap_or(rest.len()),
            };
            let (token, behind) = rest.split_at(token);
            match self.redact(token) {
                Cow::Owned(_) if !token.starts_with('"') => redacted.push_str("\"[key]\""),
                token => redacted.push_str(&token),
            }
            rest = behind;
        }
        redacted.push_str(rest);
        Cow::Owned(redacted)
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.find(text, 0).is_some()
    }

    fn find(&self, text: &str, from: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let mut at = from;
        loop {
            at += bytes[at..].iter().position(|byte| self.first_bytes[usize::from(*byte)])?;
            if let Some(found) = self.patterns.iter().find_map(|pattern| pattern.match_at(text, at)) {
                return Some(found.start.max(from)..found.end);
            }
            at += 1;
        }
    }
}

impl Pattern {
    /// Whether `char` matches the byte at `index`.
    fn matches_char(&self, index: usize, char: char) -> bool {
        let expected = self.text.get(index).copied().unwrap_or_default();
        match char {
            '-' if self.is_base64 => expected == b'+',
            '_' if self.is_base64 => expected == b'/',
            _ if self.is_base64 => char == char::from(expected),
            _ => char.eq_ignore_ascii_case(&char::from(expected)),
        }
    }

    fn match_at(&self, text: &str, start: usize) -> Option<Range<usize>> {
        let bytes = text.as_bytes();
        let mut end = start;
        for index in 0..self.text.len() {
            let plain = char::from(*bytes.get(end)?);
            // Only these characters can begin an escape.
            let decoded = matches!(plain, '%' | '\\' | '&').then(|| decode::decode_first(&text[end..])).flatten();
            end += match decoded {
                Some(decoded) if self.matches_char(index, decoded.char) => decoded.len,
                _ if self.matches_char(index, plain) => 1,
                _ => return None,
            };
        }
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        let before = &bytes[start.saturating_sub(6)..start];
        let is_escape = before.iter().any(|byte| matches!(byte, b'\\' | b'%'));
        let has_edge = self.edges.0 && !is_escape && before.last().is_some_and(is_base64);
        // An unpaired backslash before the key would escape the placeholder, so it is replaced, too.
        let backslashes = bytes[..start].iter().rev().take_while(|byte| **byte == b'\\').count();
        let is_behind_backslash = backslashes % 2 == 1;
        end += usize::from(self.edges.1 && bytes.get(end).is_some_and(is_base64));
        Some(start - usize::from(has_edge || is_behind_backslash)..end)
    }
}

/// The part of a base64 text that depends on `secret` alone, when the number of bytes before it, modulo 3, is `before`.
fn base64_pattern(secret: &str, before: usize) -> Pattern {
    let text = STANDARD_NO_PAD.encode([&[0; 3][..before], secret.as_bytes()].concat());
    // A character has six bits. The characters at the edges also contain bits of the neighbours.
    let (start, end) = (before * 8, (before + secret.len()) * 8);
    let inner = text.as_bytes()[start.div_ceil(6)..end / 6].to_vec();
    Pattern { text: inner, is_base64: true, edges: (start % 6 != 0, end % 6 != 0) }
}

/// The offset behind the closing quote of a JSON string. `text` begins behind the opening quote.
fn json_string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' if !is_escaped => return at + 1,
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

    use super::*;

    const KEY: &str = "sk-1234567890abcDEF?>~";

    fn redact(text: &str) -> String {
        KeyRedactor::new(KEY).redact(text).into_owned()
    }

    #[test]
    fn key_is_redacted_in_every_escaping() {
        let each = |escape: &dyn Fn(u8) -> String| KEY.bytes().map(escape).collect::<String>();
        let bare = &KEY[3..];
        for (written, hidden) in [
            (KEY.to_owned(), "[key]"),
            (format!("a {KEY}b{bare}"), "a [key]b[key]"),
            (format!("\"{KEY}\""), "\"[key]\""),
            (KEY.to_lowercase(), "[key]"),
            (KEY.to_uppercase(), "[key]"),
            (format!("Bearer%20{}", each(&|byte| format!("%{byte:02X}"))), "Bearer%20[key]"),
            (each(&|byte| format!("%{byte:02x}")), "[key]"),
            (each(&|byte| format!("%25{byte:02x}")), "[key]"),
            (each(&|byte| format!("\\u{byte:04x}")), "[key]"),
            (each(&|byte| format!("\\\\u{byte:04X}")), "[key]"),
            (each(&|byte| format!("&#{byte};")), "[key]"),
            (KEY.replace('?', "%3f").replace('s', "%73"), "[key]"),
            (KEY.replace('s', "\\u0073"), "[key]"),
            (format!("\\{KEY}"), "[key]"),
            (format!("ä{KEY}ä"), "ä[key]ä"),
            (KEY[..20].to_owned(), &KEY[..20]),
            ("nothing here".to_owned(), "nothing here"),
        ] {
            assert_eq!(redact(&written), hidden, "{written}");
        }
    }

    #[test]
    fn key_is_redacted_in_base64_at_every_alignment() {
        for around in ["", "u", "us", "usr", "user:", "Bearer ", "{\"key\":\""] {
            for behind in ["", "x", "xy", "xyz", "\"}"] {
                let secret = format!("{around}{KEY}{behind}");
                for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                    let written = engine.encode(&secret);
                    for written in [
                        written.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D"),
                        written.replace('/', "\\/"),
                        written,
                    ] {
                        let hidden = redact(&format!("<{written}>"));
                        assert!(hidden.contains("[key]"), "{secret} {written}: {hidden}");
                        assert!(hidden.len() <= 20 + (around.len() + behind.len()) * 2 + 8, "{secret} {written}: {hidden}");
                    }
                }
            }
        }
    }

    #[test]
    fn key_containing_escapes_is_redacted_in_every_escaping() {
        for key in ["sk-a.b%2Fc~d!e(f)g", "longkey&amp;with\\u002fx", "key\\/with%25percent"] {
            let echoes = KeyRedactor::new(key);
            let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
            let json = serde_json::to_string(key).unwrap();
            for written in [key.to_owned(), key.replace('%', "%25"), encode(key), json] {
                let hidden = echoes.redact(&written);
                assert!(hidden.trim_matches('"') == "[key]", "{key} {written}: {hidden}");
            }
        }
    }

    #[test]
    fn very_short_keys_are_not_redacted() {
        assert_eq!(KeyRedactor::new("cat").redact("a cat"), "a cat");
        assert_eq!(KeyRedactor::new("abc123").redact("no abc123"), "no [key]");
    }

    #[test]
    fn json_stays_valid_after_redaction() {
        let echoes = KeyRedactor::new("sk-123456789012");
        for (json, hidden) in [
            (r#"{"a":"sk-123456789012","sk-123456789012":1}"#, r#"{"a":"[key]","[key]":1}"#),
            (r#"{"a":"\u0073k-123456789012\\"}"#, r#"{"a":"[key]\\"}"#),
            (r#"[123456789012, -1.5e3, "x"]"#, r#"["[key]", -1.5e3, "x"]"#),
            (r#"["\\123456789012","\"123456789012"]"#, r#"["\\[key]","\"[key]"]"#),
            ("[-123456789012]", r#"["[key]"]"#),
            (r#"[1,"x"]"#, r#"[1,"x"]"#),
        ] {
            let written = echoes.redact_json(json);
            assert_eq!(written, hidden, "{json}");
            serde_json::from_str::<serde_json::Value>(&written).unwrap();
        }
        let echoes = KeyRedactor::new("nightly-key");
        serde_json::from_str::<serde_json::Value>(&echoes.redact_json(r#"["\nightly-key"]"#)).unwrap();
    }
}
