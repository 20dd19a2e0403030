//! Parses JSON with three faults that gateways produce: a byte order mark, half of a character where a text was cut, and the
//! numbers `NaN`, `Infinity` and `-Infinity`, which Python writes and JSON does not have. Such a number becomes `null`.
//!
//! None of them is a reason to lose a task. Any other fault is an error. The body becomes the text of the answer, without a copy
//! unless a number was replaced.

use memchr::{memchr, memmem};
use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::domain::json;
use crate::domain::manifest::MAX_DEPTH;

/// The numbers that are not finite, as Python writes them.
const NON_FINITE: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];

/// Why an answer can't be parsed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("is broken JSON: {0}")]
    Broken(#[from] serde_json::Error),
    #[error("is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Parses the body of an answer.
pub(super) fn parse(mut body: Vec<u8>) -> Result<Box<RawValue>, Unreadable> {
    if body.starts_with(b"\xEF\xBB\xBF") {
        body.drain(..3);
    }
    replace_lone_surrogates(&mut body);
    let body = replace_non_finite(body);
    let text = String::from_utf8(body).map_err(|error| serde_json::Error::custom(error.utf8_error()))?;
    let answer = RawValue::from_string(text)?;
    if json::depth(answer.get()) > MAX_DEPTH { Err(Unreadable::TooDeep) } else { Ok(answer) }
}

/// Puts `null` in place of each number that is not finite. No other text becomes valid JSON by it.
fn replace_non_finite(body: Vec<u8>) -> Vec<u8> {
    if NON_FINITE[..2].iter().all(|number| memmem::find(&body, number).is_none()) {
        return body;
    }
    let (mut replaced, mut copied, mut at) = (Vec::new(), 0, 0);
    while let Some(found) = body[at..].iter().position(|byte| matches!(byte, b'"' | b'N' | b'I' | b'-')) {
        at += found;
        let rest = &body[at..];
        if let Some(number) = NON_FINITE.iter().find(|number| rest.starts_with(number)) {
            if replaced.is_empty() {
                // The most that a list of `NaN` grows by.
                replaced.reserve_exact(body.len() + body.len() / 4 + 1);
            }
            replaced.extend_from_slice(&body[copied..at]);
            replaced.extend_from_slice(b"null");
            at += number.len();
            copied = at;
        } else {
            at += if rest[0] == b'"' { json::string_token_len(rest) } else { 1 };
        }
    }
    if copied == 0 {
        return body;
    }
    replaced.extend_from_slice(&body[copied..]);
    replaced
}

/// Puts a replacement character in place of each lone half of a surrogate pair.
fn replace_lone_surrogates(body: &mut [u8]) {
    let mut at = 0;
    while let Some(escape) = memchr(b'\\', &body[at..]) {
        at += escape;
        at += match parse_utf16_escape(&body[at..]) {
            Some(0xD800..=0xDBFF) if matches!(parse_utf16_escape(&body[at + 6..]), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                body[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            Some(_) => 6,
            // The character after the backslash does not start another escape.
            None => 2,
        };
        at = at.min(body.len());
    }
}

/// The UTF-16 unit of the escape at the start of `text`.
fn parse_utf16_escape(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogate_becomes_one_replacement_character() {
        for (body, expected) in [
            (r#""\ud83d""#, "\u{fffd}"),
            (r#""a\ud83dz""#, "a\u{fffd}z"),
            (r#""\ude00\ud83d""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀"),
            (r#""\uD83D\u0041""#, "\u{fffd}A"),
            (r#""\\ud83d \ud83d""#, "\\ud83d \u{fffd}"),
            (r#""\\\ud83d\"""#, "\\\u{fffd}\""),
            ("\u{feff}\"😀\"", "😀"),
            (r#""\ud83d\ude00""#, "😀"),
        ] {
            let answer = parse(body.into()).unwrap();
            assert_eq!(serde_json::from_str::<String>(answer.get()).unwrap(), expected, "{body}");
        }
        for broken in ["", "\"\\ud83d", r#"{"a":"\ud83d",}"#, r#""\u12"#, r#""\ud8"#, "\\", "\"\\"] {
            assert!(parse(broken.into()).is_err(), "{broken}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_become_null() {
        for (body, expected) in [
            ("NaN", "null"),
            ("[NaN,Infinity,-Infinity,-1]", "[null,null,null,-1]"),
            (r#"{"a": NaN , "NaN":"Infinity\" NaN","b":[ -Infinity]}"#, r#"{"a": null , "NaN":"Infinity\" NaN","b":[ null]}"#),
            (r#"{"a":"\\","b":NaN}"#, r#"{"a":"\\","b":null}"#),
        ] {
            assert_eq!(parse(body.into()).unwrap().get(), expected, "{body}");
        }
        for broken in ["NaNs", "-NaN", "xNaN", "1NaN", "NaNNaN", "{NaN:1}", "nan", "+Infinity", "--Infinity", "\"NaN", "Inf"] {
            assert!(parse(broken.into()).is_err(), "{broken}");
        }
    }

    #[test]
    fn replaced_numbers_take_no_more_memory_than_announced() {
        let replaced = replace_non_finite(format!("[{}NaN]", "NaN,".repeat(10_000)).into_bytes());
        assert!(replaced.len() <= 50_010 && replaced.capacity() <= 50_010, "{} {}", replaced.len(), replaced.capacity());
    }
}
