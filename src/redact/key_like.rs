//! Text that looks like an API key, in words that the user typed.
//!
//! Messages repeat what the user typed. A key may be in the wrong place of a command line, where the program does not expect
//! it, so only its form can be checked.

use std::borrow::Cow;

/// `text` without words that look like a key.
#[must_use]
pub(crate) fn redact_key_like(text: &str) -> Cow<'_, str> {
    let (mut redacted, mut copied, mut from) = (String::new(), 0, 0);
    while let Some(start) = text[from..].find("sk-").map(|at| from + at) {
        let is_within = text[..start].ends_with(|c: char| c.is_alphanumeric());
        let key = text[start..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')).count();
        let (key, end) = (&text[start..start + key], start + key);
        if !is_within && key.len() >= 16 && key.contains(|c: char| c.is_ascii_digit()) {
            redacted.push_str(&text[copied..start]);
            redacted.push_str("[key]");
            copied = end;
        }
        from = end;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied..]);
    Cow::Owned(redacted)
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
