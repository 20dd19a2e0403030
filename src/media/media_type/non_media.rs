//! Detects bodies that are no media: markup, JSON and all other text.
//!
//! An error page or an API error that arrives with status 200 must never be archived as a video. Only the bytes decide;
//! headers don't count.
//! - Markup and JSON are refused by their structure (`markup`), also when control characters follow.
//! - Any other text is refused when the first 64 KiB have no control character, in any encoding. Media has such characters
//!   in its headers. SVG images and HLS playlists are text and are accepted.
//! - A small text may have a few control characters that do not belong there: NULs at its ends, a bell.
//! - Some hosts pack such a text with gzip or zlib without a `Content-Encoding`, even twice. So the content counts, too.
//!
//! Text in an unknown 8-bit encoding, or with control characters, is refused only without the magic number of a media type, and
//! text in an unmarked encoding only from a few bytes on: a short body can lack control characters by coincidence.

use super::encoding::{self, MIN_UNMARKED, WideText};
use super::{magic, markup, packed};

/// How many of a file's first bytes decide whether it is text.
pub(super) const TEXT_HEAD_SIZE: usize = 64 << 10;

/// How often a text can be packed.
const MAX_LEVELS: usize = 2;

/// A text with control characters that do not belong there is at most so long.
const MAX_REPAIRED: usize = 4 << 10;

/// The type of a body that is no media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NonMedia {
    /// An HTML page.
    #[error("an HTML page")]
    Html,
    /// A JSON object or list, or a body that is just one JSON string, boolean or null.
    #[error("JSON")]
    Json,
    /// Any XML but SVG.
    #[error("XML")]
    Xml,
    /// Any other text but an HLS playlist.
    #[error("plain text")]
    Text,
}

/// The type of a body whose bytes prove that it is no media. `head` has its first bytes, or the whole body when `is_whole`.
pub(super) fn detect_non_media(head: &[u8], is_whole: bool) -> Option<NonMedia> {
    let packed = detect_packed(head, is_whole, MAX_LEVELS);
    if packed.is_some() || packed::is_gzip(head) {
        return packed;
    }
    match detect_text(head, is_whole) {
        Text::NonMedia(found) => Some(found),
        Text::Svg | Text::Playlist | Text::None => None,
    }
}

/// The type of a packed body that is no media.
fn detect_packed(head: &[u8], is_whole: bool, levels: usize) -> Option<NonMedia> {
    let content = packed::unpack(head, is_whole)?;
    if levels > 1
        && let Some(found) = detect_packed(&content.bytes, content.is_whole, levels - 1)
    {
        return Some(found);
    }
    match detect_text(&content.bytes, content.is_whole) {
        // A file of nothing.
        _ if content.bytes.is_empty() => Some(NonMedia::Text),
        // A playlist is text, and packed no player reads it.
        Text::Playlist => Some(NonMedia::Text),
        Text::NonMedia(found) => Some(found),
        Text::Svg | Text::None => None,
    }
}

/// Whether more bytes than `head` can change what [`detect_non_media`] finds.
pub(super) fn is_inconclusive(head: &[u8]) -> bool {
    head.len() < TEXT_HEAD_SIZE && (packed::is_gzip(head) || packed::is_zlib(head) || is_text(head))
}

enum Text {
    NonMedia(NonMedia),
    Svg,
    Playlist,
    /// Not text, as far as the bytes show.
    None,
}

fn detect_text(head: &[u8], is_whole: bool) -> Text {
    let text = markup::decode(head);
    match markup::root_element(&text) {
        Some(markup::RootElement::Html) => Text::NonMedia(NonMedia::Html),
        Some(markup::RootElement::Xml) => Text::NonMedia(NonMedia::Xml),
        Some(markup::RootElement::Svg) => Text::Svg,
        None if markup::is_json(&text, is_whole) => Text::NonMedia(NonMedia::Json),
        None if markup::is_playlist(&text) => Text::Playlist,
        None if is_text(head) => Text::NonMedia(NonMedia::Text),
        None => match is_whole.then(|| repair(head)).flatten() {
            Some(repaired) => detect_text(&repaired, is_whole),
            None => Text::None,
        },
    }
}

/// Whether bytes that are not empty are all printable text, in any encoding.
fn is_text(bytes: &[u8]) -> bool {
    if let Some(text) = WideText::decode(bytes)
        && text.is_printable()
    {
        return true;
    }
    match bytes {
        [] => false,
        // Binary formats without a row in the table of types can look like such a script, too.
        _ if markup::is_binary(bytes) => encoding::is_unmarked_script(bytes) && !has_magic(bytes) && infer::get(bytes).is_none(),
        _ => is_utf8(bytes) || (bytes.len() >= MIN_UNMARKED && !has_magic(bytes)),
    }
}

fn has_magic(bytes: &[u8]) -> bool {
    magic::sniff(bytes).is_some()
}

/// Whether it is UTF-8. The end may cut a character.
fn is_utf8(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}

/// A text without control characters that do not belong there: NULs at its ends, an end mark of old systems behind it, and a
/// few others in between. `None` when it has none of them, or is no such text.
fn repair(body: &[u8]) -> Option<Vec<u8>> {
    if WideText::decode(body).is_some() || has_magic(body) {
        return None;
    }
    let start = body.iter().position(|byte| *byte != 0)?;
    let end = body.iter().rposition(|byte| !matches!(byte, 0 | 0x1A))? + 1;
    let text = body.get(start..end)?;
    let is_control = |byte: &u8| markup::is_binary(&[*byte]);
    if !text.iter().any(is_control) {
        return (text.len() < body.len() && (start == 0 || text.len() >= MIN_UNMARKED)).then(|| text.to_vec());
    }
    if !(MIN_UNMARKED..=MAX_REPAIRED).contains(&text.len()) {
        return None;
    }
    let controls = text.iter().filter(|byte| is_control(byte)).count();
    let is_plausible = !is_control(text.first()?) && controls <= (text.len() / 16).max(1);
    (is_plausible && is_utf8(text) && !text.contains(&0))
        .then(|| text.iter().map(|byte| if is_control(byte) { b' ' } else { *byte }).collect())
}

#[cfg(test)]
mod tests;
