//! JSON as some gateways write it: behind a byte order mark, or with half a character where a text was cut.
//!
//! Neither is worth a task. What is whole JSON is read as it stands; what is broken in any other way stays an error.

use serde_json::{Error, Value};

/// Reads the body of an answer.
pub(super) fn read(body: &[u8]) -> Result<Value, Error> {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    serde_json::from_slice(body).or_else(|error| mended(body).map_or(Err(error), |mended| serde_json::from_slice(&mended)))
}

/// `body` with a replacement character for each half of a surrogate pair that stands alone; none when there is none.
fn mended(body: &[u8]) -> Option<Vec<u8>> {
    let mut mended = None;
    let mut at = 0;
    while at < body.len() {
        at += match unit(&body[at..]) {
            Some(0xD800..=0xDBFF) if matches!(unit(&body[at + 6..]), Some(0xDC00..=0xDFFF)) => 12,
            Some(0xD800..=0xDFFF) => {
                mended.get_or_insert_with(|| body.to_vec())[at..at + 6].copy_from_slice(b"\\ufffd");
                6
            }
            Some(_) => 6,
            // Whatever else is escaped begins no escape itself.
            None if body[at] == b'\\' => 2,
            None => 1,
        };
    }
    mended
}

/// The UTF-16 unit that an escape stands for, when `text` begins with one.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn half_a_character_costs_itself_and_nothing_else() {
        for (body, read_as) in [
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
            assert_eq!(read(body.as_bytes()).unwrap(), json!(read_as), "{body}");
        }
        for broken in ["", "\"\\ud83d", r#"{"a":"\ud83d",}"#, r#""\u12"#, r#""\ud8"#, "\\", "\"\\"] {
            assert!(read(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
