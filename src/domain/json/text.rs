//! Passes over the text of JSON: nesting depth, compact form, lengths of strings.

use memchr::memchr2;

use super::map_string_token;

/// The number of nested levels of `json`.
#[must_use]
pub(crate) fn depth(json: &str) -> usize {
    let (mut level, mut deepest, mut rest) = (0_usize, 0, json);
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'"' | b'[' | b']' | b'{' | b'}')) {
        rest = &rest[at..];
        let length = match rest.as_bytes()[0] {
            b'"' => string_token_len(rest.as_bytes()),
            b'[' | b'{' => {
                level += 1;
                deepest = deepest.max(level);
                1
            }
            _ => {
                level = level.saturating_sub(1);
                1
            }
        };
        rest = &rest[length..];
    }
    deepest
}

/// `json` without whitespace outside strings. `change` may replace any string, names too. Everything else stays as it is
/// written: other strings, numbers, the order and repeated names.
#[must_use]
pub(crate) fn compact(json: &str, change: impl Fn(&str) -> Option<String>) -> String {
    // Too much capacity costs nothing: memory that is never written to is never allocated by the system.
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while !rest.is_empty() {
        let end = rest.bytes().position(is_whitespace_or_quote).unwrap_or(rest.len());
        out.push_str(&rest[..end]);
        rest = &rest[end..];
        if rest.starts_with('"') {
            let token = &rest[..string_token_len(rest.as_bytes())];
            match map_string_token(token, &change).flatten() {
                Some(changed) => out.push_str(&to_json_string(&changed)),
                None => out.push_str(token),
            }
            rest = &rest[token.len()..];
        } else {
            rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        }
    }
    out.shrink_to_fit();
    out
}

/// Whether `json` has whitespace outside strings.
#[must_use]
pub(crate) fn has_insignificant_whitespace(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.bytes().position(is_whitespace_or_quote) {
        rest = &rest[at..];
        if !rest.starts_with('"') {
            return true;
        }
        rest = &rest[string_token_len(rest.as_bytes())..];
    }
    false
}

fn is_whitespace_or_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` as a JSON string.
fn to_json_string(text: &str) -> String {
    serde_json::to_string(text).expect("every text is a JSON string")
}

/// The length of the string at the beginning of `text`, with its quotes.
#[must_use]
pub(crate) fn string_token_len(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = text.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if text[at - 1] == b'"' {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// The longest prefix of `text` with at most `max_len` bytes that ends between two characters.
#[must_use]
pub(crate) fn truncate(text: &str, max_len: usize) -> &str {
    let end = (0..=max_len.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_depth_ignores_brackets_in_strings() {
        for (json, expected) in [("1", 0), ("[]", 1), (r#"{"[[[":"\"[["}"#, 1), (r#"[{"a":[1]},[2]]"#, 3)] {
            assert_eq!(depth(json), expected, "{json}");
        }
    }

    #[test]
    fn compact_removes_only_whitespace_outside_strings() {
        let change = |text: &str| text.contains("key").then(|| text.replace("key", "\""));
        for (json, expected) in [
            ("{ \"a b\" :\t[ 1.50 ,\r\n2 ] , \"a b\" : { } }", r#"{"a b":[1.50,2],"a b":{}}"#),
            (r#"["\" \\", "\u00e9\/ "]"#, r#"["\" \\","\u00e9\/ "]"#),
            (r#"{"key": "\u006bey"}"#, r#"{"\"":"\""}"#),
            (r#"["\ud83d key"]"#, r#"["\ud83d key"]"#),
            ("[]", "[]"),
            (" 1 ", "1"),
        ] {
            assert_eq!(compact(json, change), expected, "{json}");
            assert_eq!(has_insignificant_whitespace(json), compact(json, |_| None) != json, "{json}");
        }
    }
}
