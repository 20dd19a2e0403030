//! Text that looks like an API key, in words that the user typed.
//!
//! A key may stand in the wrong place of a command line, before any key is known. So its form alone decides.

use std::borrow::Cow;

/// Words about what was typed, without anything that looks like a key: one may stand in the wrong place, where nobody knows it.
#[must_use]
pub(crate) fn redact_key_like(text: &str) -> Cow<'_, str> {
    let (mut shown, mut kept, mut from) = (String::new(), 0, 0);
    while let Some(start) = text[from..].find("sk-").map(|at| from + at) {
        let is_within = text[..start].ends_with(|c: char| c.is_alphanumeric());
        let key = text[start..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
        let (key, end) = (&text[start..start + key], start + key);
        if !is_within && key.len() >= 16 && key.contains(|c: char| c.is_ascii_digit()) {
            shown.push_str(&text[kept..start]);
            shown.push_str("[key]");
            kept = end;
        }
        from = end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[kept..]);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_like_words_are_hidden() {
        for (text, shown) in [
            ("`sk-0123456789abcdef` is no URL", "`[key]` is no URL"),
            ("--x=sk-abcdefghijklmnop1, sk-short1 sk-0123456789abcdef", "--x=[key], sk-short1 [key]"),
            (
                "/home/me/desk-0123456789abcdef sk-of-nothing-in-particular",
                "/home/me/desk-0123456789abcdef sk-of-nothing-in-particular",
            ),
            ("", ""),
        ] {
            assert_eq!(redact_key_like(text), shown);
        }
    }
}
