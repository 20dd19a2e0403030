//! One character of a text, in whatever escaping it is written.
//!
//! Words from the network hold secrets in percent-encoding, JSON escapes and HTML entities, also nested (`%2573`). Whoever looks
//! for a secret reads a text unit by unit.

/// How many backslashes in a row are read as one escape. A bound keeps the cost linear.
const MOST_BACKSLASHES: usize = 8;
/// The longest HTML entity that is read, in bytes.
const LONGEST_ENTITY: usize = 10;

/// How a character is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// As itself.
    Plain,
    /// Behind backslashes: `\/`, `\u002f`.
    Escaped,
    /// Percent-encoded or an HTML entity: it does not end anything for whoever reads the text around it.
    Encoded,
}

/// One character and how it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unit {
    pub char: char,
    /// In bytes, as written.
    pub len: usize,
    pub form: Form,
}

/// The first unit of a text; none of an empty one.
pub(super) fn first(text: &str) -> Option<Unit> {
    let char = text.chars().next()?;
    let unit = match char {
        '%' => None,
        '\\' => backslash(text),
        '&' => entity(text),
        _ => return Some(Unit { char, len: char.len_utf8(), form: Form::Plain }),
    };
    let mut unit = unit.unwrap_or(Unit { char, len: 1, form: Form::Plain });
    // Also `%25`, which stands for the percent sign of a further layer.
    while unit.char == '%' {
        let Some(char) = text.get(unit.len..unit.len + 2).and_then(hex).filter(char::is_ascii) else { break };
        unit = Unit { char, len: unit.len + 2, form: Form::Encoded };
    }
    Some(unit)
}

/// The units of a text, each with where it begins.
pub(super) fn all(text: &str) -> impl Iterator<Item = (usize, Unit)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let unit = first(&text[at..])?;
        let start = at;
        at += unit.len;
        Some((start, unit))
    })
}

fn backslash(text: &str) -> Option<Unit> {
    let bytes = text.as_bytes();
    let run = bytes.iter().take(MOST_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
    let (char, len) = match bytes.get(run)? {
        b'u' => (hex(text.get(run + 1..run + 5)?)?, run + 5),
        b'x' => (hex(text.get(run + 1..run + 3)?)?, run + 3),
        quoted @ (b'/' | b'"' | b'\'') => (char::from(*quoted), run + 1),
        _ => return None,
    };
    Some(Unit { char, len, form: Form::Escaped })
}

fn entity(text: &str) -> Option<Unit> {
    let end = text.bytes().take(LONGEST_ENTITY).position(|byte| byte == b';')?;
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
            Some(digits) => hex(digits)?,
            None => char::from_u32(number.strip_prefix('#')?.parse().ok()?)?,
        },
    };
    Some(Unit { char, len: end + 1, form: Form::Encoded })
}

fn hex(digits: &str) -> Option<char> {
    let is_hex = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_read_in_any_escaping() {
        for written in
            ["/", "%2f", "%2F", r"\/", r"\\/", r"\u002f", r"\\u002F", r"\x2f", "%252f", "%25252F", "&#47;", "&#x2F;", "&sol;"]
        {
            let unit = first(written).unwrap();
            assert_eq!((unit.char, unit.len), ('/', written.len()), "{written}");
        }
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for written in
            ["%", "%2", "%zz", "%+1", "%ff", "\\", r"\n", r"\u00", r"\ud83d", "&", "&x", "&unknown;", "&#;", "&#xzz;", "é", "%é"]
        {
            let unit = first(written).unwrap();
            assert_eq!((unit.char, unit.form), (written.chars().next().unwrap(), Form::Plain), "{written}");
        }
        assert_eq!(first(""), None);
    }
}
