//! Recognizes text formats by their structure: the root element for markup, the parser for JSON, the first line of an HLS
//! playlist.
//!
//! Nothing is guessed: a head that proves nothing (an endless comment, only digits) is of no format. Where control
//! characters follow, the format needs a longer proof than a few bytes.

use std::borrow::Cow;

use serde::de::IgnoredAny;
use serde_json::error::Category;

use super::encoding::WideText;

/// What the root element of a document shows.
pub(super) enum RootElement {
    Html,
    Svg,
    Xml,
}

/// Elements that can begin an HTML page without a document type (WHATWG, MIME sniffing).
const HTML_ELEMENTS: [&str; 15] =
    ["html", "head", "body", "script", "iframe", "h1", "div", "font", "table", "a", "style", "title", "b", "br", "p"];

/// The bytes as UTF-8, without byte-order mark and leading whitespace. Invalid UTF-16 and UTF-32 is replaced.
pub(super) fn decode(head: &[u8]) -> Cow<'_, [u8]> {
    match (WideText::decode(head), head) {
        (Some(text), _) => Cow::Owned(text.to_utf8()),
        (None, [0xEF, 0xBB, 0xBF, rest @ ..]) => Cow::Borrowed(trim_start(rest)),
        (None, _) => Cow::Borrowed(trim_start(head)),
    }
}

/// Whether decoded text is an HLS playlist.
pub(super) fn is_playlist(text: &[u8]) -> bool {
    text.starts_with(b"#EXTM3U")
}

/// Whether decoded text is an SVG image.
pub(super) fn is_svg(text: &[u8]) -> bool {
    matches!(root_element(text), Some(RootElement::Svg))
}

/// The bytes behind the first `mark`.
pub(super) fn find_after<'a>(bytes: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let start = bytes.windows(mark.len()).position(|window| window == mark)?;
    bytes.get(start + mark.len()..)
}

/// Whether decoded text is JSON: an object or a list, or just one string, boolean or null.
pub(super) fn is_json(text: &[u8], is_whole: bool) -> bool {
    if matches!(text, [b'"' | b't' | b'f' | b'n', ..]) {
        return is_whole && serde_json::from_slice::<IgnoredAny>(text).is_ok();
    }
    if !matches!(text, [b'{' | b'[', ..]) {
        return false;
    }
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        // `[]` or `{}` before binary bytes is a coincidence, not JSON.
        Some(Ok(_)) => values.byte_offset() > 4 || !is_binary(text),
        Some(Err(error)) => !is_whole && error.classify() == Category::Eof,
        None => false,
    }
}

/// The start tag of the root element, without its brackets, if decoded text is an SVG image.
pub(super) fn svg_tag(text: &[u8]) -> Option<&[u8]> {
    let mut rest = skip_comments(text)?;
    while let Some(doctype) = strip_word(rest, b"<!doctype") {
        rest = skip_comments(skip_doctype(doctype)?)?;
    }
    if !matches!(classify_element(rest), Some(RootElement::Svg)) {
        return None;
    }
    // A value in quotes may contain a bracket, too.
    let mut quote = None;
    let end = rest.iter().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(*byte),
            _ => quote = quote.filter(|quote| quote != byte),
        }
        quote.is_none() && *byte == b'>'
    })?;
    rest.get(1..end)
}

/// The root element, behind declarations, comments and the document type; `None` when the head ends before it.
pub(super) fn root_element(text: &[u8]) -> Option<RootElement> {
    let mut rest = skip_comments(text)?;
    while let Some(doctype) = strip_word(rest, b"<!doctype") {
        if strip_word(trim_start(doctype), b"html").is_some_and(is_word_end) {
            return Some(RootElement::Html);
        }
        if strip_word(trim_start(doctype), b"svg").is_some_and(is_word_end) {
            return Some(RootElement::Svg);
        }
        rest = skip_comments(skip_doctype(doctype)?)?;
    }
    classify_element(rest)
}

/// The text behind declarations and comments.
fn skip_comments(text: &[u8]) -> Option<&[u8]> {
    let mut rest = trim_start(text);
    loop {
        rest = trim_start(if let Some(instruction) = rest.strip_prefix(b"<?") {
            find_after(instruction, b"?>")?
        } else if let Some(comment) = rest.strip_prefix(b"<!--") {
            find_after(comment, b"-->")?
        } else {
            return Some(rest);
        });
    }
}

/// The text behind the document type. Its declarations, in brackets, may also contain `>`.
fn skip_doctype(doctype: &[u8]) -> Option<&[u8]> {
    let mut bracketed = false;
    let end = doctype.iter().position(|byte| {
        bracketed = (bracketed || *byte == b'[') && *byte != b']';
        *byte == b'>' && !bracketed
    })?;
    doctype.get(end + 1..)
}

fn classify_element(text: &[u8]) -> Option<RootElement> {
    let text = text.strip_prefix(b"<")?;
    let length = text.iter().position(|byte| !is_name_byte(*byte))?;
    let (name, rest) = text.split_at_checked(length)?;
    if !matches!(name, [b'a'..=b'z' | b'A'..=b'Z' | b'_', ..]) || !matches!(rest, [b'>' | b'/' | b' ' | b'\t'..=b'\r', ..]) {
        return None;
    }
    let is_html = HTML_ELEMENTS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()));
    match name.rsplit(|byte| *byte == b':').next() {
        Some(_) if is_html && name.len() > 3 => Some(RootElement::Html),
        // Three such bytes before binary bytes are a coincidence, not markup.
        _ if is_binary(text) => None,
        Some(local) if local.eq_ignore_ascii_case(b"svg") => Some(RootElement::Svg),
        _ => Some(if is_html { RootElement::Html } else { RootElement::Xml }),
    }
}

fn strip_word<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn is_word_end(rest: &[u8]) -> bool {
    !rest.first().is_some_and(|byte| is_name_byte(*byte))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | 0x80..)
}

/// Whether it contains control characters that no text has (WHATWG: binary data bytes).
pub(super) fn is_binary(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0..=8 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F))
}

fn trim_start(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

#[cfg(test)]
mod tests {
    use super::{RootElement, decode, is_json, is_svg, root_element};

    fn detected(head: &[u8], whole: bool) -> &'static str {
        let text = decode(head);
        match root_element(&text) {
            Some(RootElement::Html) => "an HTML page",
            Some(RootElement::Xml) => "XML",
            Some(RootElement::Svg) => "-",
            None if is_json(&text, whole) => "JSON",
            None => "-",
        }
    }

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        std::iter::once(0xFEFF).chain(text.encode_utf16()).flat_map(unit).collect()
    }

    #[test]
    fn html_and_xml_are_detected_by_the_root_element() {
        for (body, expected) in [
            ("<!doctype html><p>x", "an HTML page"),
            ("<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"x\">", "an HTML page"),
            ("\u{FEFF} \n<HTML>", "an HTML page"),
            ("<html\n  lang=en>", "an HTML page"),
            ("<html><body>\0", "an HTML page"),
            ("<!-- <svg> -->\n<head/>", "an HTML page"),
            ("<br/>", "an HTML page"),
            ("<?xml version='1.0'?><!DOCTYPE html [<!ENTITY a '>'>]><html>", "an HTML page"),
            ("<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
            ("<s:rss/>", "XML"),
            ("<_x>", "XML"),
            ("<MPD xmlns='urn:mpeg:dash'>", "XML"),
            ("<!DOCTYPE plist PUBLIC \"-//Apple\" \"http://x\"><plist>", "XML"),
            ("<svg xmlns='x'>", "-"),
            ("<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"endless", "-"),
            ("<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY n 'a>b'>] >\n<svg:svg>", "-"),
            ("<!-- endless <html>", "-"),
            ("<?xml endless <html>", "-"),
            ("<!doctype endless", "-"),
            ("<html", "-"),
            ("<doctype", "-"),
            ("<", "-"),
            ("< html>", "-"),
            ("<1>", "-"),
            ("<a", "-"),
            ("<p>\0", "-"),
            ("<abc>\u{1}", "-"),
            ("text <html>", "-"),
            ("", "-"),
        ] {
            assert_eq!(detected(body.as_bytes(), true), expected, "{body}");
            assert_eq!(detected(body.as_bytes(), false), expected, "{body}");
        }
    }

    #[test]
    fn json_is_detected_by_parsing() {
        for (body, whole, cut) in [
            ("{\"error\":\"not found\"}", "JSON", "JSON"),
            ("\u{FEFF}\r\n [1, 2]\n", "JSON", "JSON"),
            ("{}", "JSON", "JSON"),
            ("{\"a\":1}\n{\"a\":2}", "JSON", "JSON"),
            ("{\"a\":1} and more", "JSON", "JSON"),
            ("{\"a\": \"cut", "-", "JSON"),
            ("[[[[[[[[", "-", "JSON"),
            ("{", "-", "JSON"),
            ("[fake bytes", "-", "-"),
            ("{fake}", "-", "-"),
            ("{\"a\"\u{1}", "-", "-"),
            ("[]\0\u{1}", "-", "-"),
            ("true", "JSON", "-"),
            ("false\n", "JSON", "-"),
            (" null", "JSON", "-"),
            ("\"not found\"", "JSON", "-"),
            ("\"cut", "-", "-"),
            ("\"a\" b", "-", "-"),
            ("truer", "-", "-"),
            ("1234", "-", "-"),
        ] {
            assert_eq!(detected(body.as_bytes(), true), whole, "{body}");
            assert_eq!(detected(body.as_bytes(), false), cut, "{body}");
        }
        assert_eq!(detected(&b"[".repeat(64 * 1024), false), "JSON", "deep nesting must not overflow the stack");
    }

    #[test]
    fn utf_16_with_a_byte_order_mark_is_decoded() {
        for unit in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            assert_eq!(detected(&utf16(" <!doctype html>", unit), true), "an HTML page");
            assert_eq!(detected(&utf16("{\"a\":1}", unit), true), "JSON");
            assert!(is_svg(&decode(&utf16("<svg/>", unit))));
        }
        assert_eq!(detected(b"\xFF\xFE<", true), "-");
        assert_eq!(detected(b"\xFF\xFE\x00\xD8<\x00", true), "-");
    }
}
