//! Makes text from the network safe for a terminal: control and bidirectional characters are escaped.

use std::borrow::Cow;

/// `text` with control characters escaped, so that a terminal shows them.
#[must_use]
pub(crate) fn escape_control_chars(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe_for_terminal) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if is_unsafe_for_terminal(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    }))
}

/// JSON with the control characters that JSON allows inside strings escaped, too. The content stays the same.
#[must_use]
pub(crate) fn escape_control_chars_json(json: String) -> String {
    if !json.contains(is_unsafe_for_terminal) {
        return json;
    }
    let escaped = |c: char| if is_unsafe_for_terminal(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    json.chars().map(escaped).collect()
}

/// Whether a terminal would act on the character instead of showing it.
fn is_unsafe_for_terminal(c: char) -> bool {
    c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape_control_chars("plain – text"), "plain – text");
        assert_eq!(escape_control_chars("a\u{1b}]0;x\u{7}\r\nb\u{202e}c\u{9b}d"), "a\\u{1b}]0;x\\u{7}\\r\\nb\\u{202e}c\\u{9b}d");
    }
}
