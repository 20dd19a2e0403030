//! Decodes one character of a text at a time, in any escaping.
//!
//! Text from the network contains secrets in percent-encoding, JSON escapes and HTML entities, also nested (`%2573`). So the
//! search for a secret works on decoded characters.

/// The most backslashes in a row that are decoded as one escape. The bound keeps the cost linear.
const MAX_BACKSLASHES: usize = 8;
/// The longest HTML entity that is decoded, in bytes.
const MAX_ENTITY_LEN: usize = 10;

/// How a character is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EscapeStyle {
    /// Unescaped.
    Plain,
    /// With backslashes: `\/`, `\u002f`.
    Backslash,
    /// Percent-encoded or an HTML entity: it is part of the word around it, and never ends one.
    Encoded,
}

/// A decoded character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DecodedChar {
    pub char: char,
    /// The length of its escaped form, in bytes.
    pub len: usize,
    pub style: EscapeStyle,
}

/// The first character of a text; `None` for an empty text.
pub(super) fn decode_first(text: &str) -> Option<DecodedChar> {
    let char = text.chars().next()?;
    let decoded = match char {
        '%' => None,
        '\\' => decode_backslash_escape(text),
        '&' => decode_html_entity(text),
        _ => return Some(DecodedChar { char, len: char.len_utf8(), style: EscapeStyle::Plain }),
    };
    let mut decoded = decoded.unwrap_or(DecodedChar { char, len: 1, style: EscapeStyle::Plain });
    // `%25` is the percent sign of another layer of encoding.
    while decoded.char == '%' {
        let Some(char) = text.get(decoded.len..decoded.len + 2).and_then(char_from_hex).filter(char::is_ascii) else { break };
        decoded = DecodedChar { char, len: decoded.len + 2, style: EscapeStyle::Encoded };
    }
    Some(decoded)
}

/// The characters of a text, each with its offset.
pub(super) fn decode_all(text: &str) -> impl Iterator<Item = (usize, DecodedChar)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let decoded = decode_first(&text[at..])?;
        let start = at;
        at += decoded.len;
        Some((start, decoded))
    })
}

fn decode_backslash_escape(text: &str) -> Option<DecodedChar> {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    let (char, len) = match bytes.get(run)? {
        b'u' => (char_from_hex(text.get(run + 1..run + 5)?)?, run + 5),
        b'x' => (char_from_hex(text.get(run + 1..run + 3)?)?, run + 3),
        quoted @ (b'/' | b'"' | b'\'') => (char::from(*quoted), run + 1),
        _ => return None,
    };
    Some(DecodedChar { char, len, style: EscapeStyle::Backslash })
}

fn decode_html_entity(text: &str) -> Option<DecodedChar> {
    let end = text.bytes().take(MAX_ENTITY_LEN).position(|byte| byte == b';')?;
    let char = match &text[1..end] {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "sol" => '/',
        "colon" => ':',
        "quest" => '?',
        number => match number.strip_prefix("#x").or_else(|| number.strip_prefix("#X")) {
            Some(digits) => char_from_hex(digits)?,
            None => char::from_u32(number.strip_prefix('#')?.parse().ok()?)?,
        },
    };
    Some(DecodedChar { char, len: end + 1, style: EscapeStyle::Encoded })
}

fn char_from_hex(digits: &str) -> Option<char> {
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn character_is_decoded_from_any_escaping() {
        for written in
            ["/", "%2f", "%2F", r"\/", r"\\/", r"\u002f", r"\\u002F", r"\x2f", "%252f", "%25252F", "&#47;", "&#x2F;", "&sol;"]
        {
            let decoded = decode_first(written).unwrap();
            assert_eq!((decoded.char, decoded.len), ('/', written.len()), "{written}");
        }
    }

    #[test]
    fn invalid_escape_is_read_literally() {
        for written in
            ["%", "%2", "%zz", "%+1", "%ff", "\\", r"\n", r"\u00", r"\ud83d", "&", "&x", "&unknown;", "&#;", "&#xzz;", "é", "%é"]
        {
            let decoded = decode_first(written).unwrap();
            assert_eq!((decoded.char, decoded.style), (written.chars().next().unwrap(), EscapeStyle::Plain), "{written}");
        }
        assert_eq!(decode_first(""), None);
    }
}
