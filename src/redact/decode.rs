//! One character of a text, in whatever escaping it is written.
//!
//! Words from the network hold secrets in percent-encoding, JSON escapes and HTML entities, also nested (`%2573`). Whoever looks
//! for a secret reads a text unit by unit.

/// How many backslashes in a row are read as one escape. A bound keeps the cost linear.
const MAX_BACKSLASHES: usize = 8;
/// The longest HTML entity that is read, in bytes.
const MAX_ENTITY_LEN: usize = 10;

/// How a character is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EscapeStyle {
    /// As itself.
    Plain,
    /// Behind backslashes: `\/`, `\u002f`.
    Backslash,
    /// Percent-encoded or an HTML entity: it does not end anything for whoever reads the text around it.
    Encoded,
}

/// One character and how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DecodedChar {
    pub char: char,
    /// In bytes, as written.
    pub len: usize,
    pub style: EscapeStyle,
}

/// The first unit of a text; none of an empty one.
pub(super) fn decode_first(text: &str) -> Option<DecodedChar> {
    let char = text.chars().next()?;
    let unit = match char {
        '%' => None,
        '\\' => decode_backslash_escape(text),
        '&' => decode_html_entity(text),
        _ => return Some(DecodedChar { char, len: char.len_utf8(), style: EscapeStyle::Plain }),
    };
    let mut unit = unit.unwrap_or(DecodedChar { char, len: 1, style: EscapeStyle::Plain });
    // Also `%25`, which stands for the percent sign of a further layer.
    while unit.char == '%' {
        let Some(char) = text.get(unit.len..unit.len + 2).and_then(char_from_hex).filter(char::is_ascii) else { break };
        unit = DecodedChar { char, len: unit.len + 2, style: EscapeStyle::Encoded };
    }
    Some(unit)
}

/// The units of a text, each with where it begins.
pub(super) fn decode_all(text: &str) -> impl Iterator<Item = (usize, DecodedChar)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let unit = decode_first(&text[at..])?;
        let start = at;
        at += unit.len;
        Some((start, unit))
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
            let unit = decode_first(written).unwrap();
            assert_eq!((unit.char, unit.len), ('/', written.len()), "{written}");
        }
    }

    #[test]
    fn invalid_escape_is_read_literally() {
        for written in
            ["%", "%2", "%zz", "%+1", "%ff", "\\", r"\n", r"\u00", r"\ud83d", "&", "&x", "&unknown;", "&#;", "&#xzz;", "é", "%é"]
        {
            let unit = decode_first(written).unwrap();
            assert_eq!((unit.char, unit.style), (written.chars().next().unwrap(), EscapeStyle::Plain), "{written}");
        }
        assert_eq!(decode_first(""), None);
    }
}
