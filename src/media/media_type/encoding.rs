//! Text whose characters have two or four bytes: UTF-16 and UTF-32, with or without a byte-order mark.
//!
//! Without a mark, the first two characters show the encoding when they are ASCII. Chinese, Japanese, Korean and other
//! scripts show it only as a whole ([`is_unmarked_script`]).

use std::collections::BTreeSet;

use super::markup::is_binary;

/// Text without a mark is at least so long.
pub(super) const MIN_UNMARKED: usize = 8;

/// The characters of wide text. One that is not valid is `None`.
pub(super) struct WideText {
    characters: Vec<Option<char>>,
    is_marked: bool,
}

impl WideText {
    /// Decodes bytes that begin as wide text does. A character that the end cuts is left out.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let marked = |characters| Some(Self { characters, is_marked: true });
        let unmarked = |characters| Some(Self { characters, is_marked: false });
        match bytes {
            [0xFF, 0xFE, 0, 0, rest @ ..] => marked(utf32(rest, u32::from_le_bytes)),
            [0, 0, 0xFE, 0xFF, rest @ ..] => marked(utf32(rest, u32::from_be_bytes)),
            [0xFF, 0xFE, rest @ ..] => marked(utf16(rest, u16::from_le_bytes)),
            [0xFE, 0xFF, rest @ ..] => marked(utf16(rest, u16::from_be_bytes)),
            [a, 0, 0, 0, b, 0, 0, 0, ..] if !is_binary(&[*a, *b]) => unmarked(utf32(bytes, u32::from_le_bytes)),
            [0, 0, 0, a, 0, 0, 0, b, ..] if !is_binary(&[*a, *b]) => unmarked(utf32(bytes, u32::from_be_bytes)),
            [a, 0, b, 0, ..] if !is_binary(&[*a, *b]) => unmarked(utf16(bytes, u16::from_le_bytes)),
            [0, a, 0, b, ..] if !is_binary(&[*a, *b]) => unmarked(utf16(bytes, u16::from_be_bytes)),
            _ => None,
        }
    }

    /// The text as UTF-8, without leading whitespace. What is not valid is replaced.
    pub(super) fn to_utf8(&self) -> Vec<u8> {
        let text: String = self.characters.iter().map(|found| found.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        text.trim_start().as_bytes().to_vec()
    }

    /// Whether all of it is printable. The end may cut a character.
    pub(super) fn is_printable(&self) -> bool {
        let known = match self.characters.as_slice() {
            [known @ .., None] => known,
            known => known,
        };
        (self.is_marked || known.len() >= MIN_UNMARKED / 2) && known.iter().all(|found| found.is_some_and(is_printable))
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Vec<Option<char>> {
    utf16_characters(bytes, unit).collect()
}

fn utf16_characters(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> impl Iterator<Item = Option<char>> + Clone {
    char::decode_utf16(bytes.as_chunks().0.iter().copied().map(unit)).map(Result::ok)
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Vec<Option<char>> {
    bytes.as_chunks().0.iter().copied().map(|bytes| char::from_u32(unit(bytes))).collect()
}

fn is_printable(character: char) -> bool {
    match u8::try_from(character) {
        Ok(byte) => !is_binary(&[byte]),
        Err(_) => !matches!(character, '\u{FFFE}' | '\u{FFFF}'),
    }
}

/// Whether it is UTF-16 without a mark in a script that is in use today. Binary data is not: one in two of its units is no
/// such character. Text of one byte a character is not either: most of its bytes are ASCII.
pub(super) fn is_unmarked_script(bytes: &[u8]) -> bool {
    let is_utf16 = || [u16::from_le_bytes, u16::from_be_bytes].into_iter().any(|unit| is_script(utf16_characters(bytes, unit)));
    let ascii = || bytes.iter().filter(|byte| matches!(byte, b' '..=b'~')).count();
    // The quick test comes first: it ends with the first characters of most binary data.
    bytes.len() >= MIN_UNMARKED && is_utf16() && ascii() * 4 <= bytes.len() * 3
}

fn is_script(mut characters: impl Iterator<Item = Option<char>> + Clone) -> bool {
    let first = characters.clone().take(64);
    let is_all_script = characters.all(|found| {
        found.is_some_and(|character| match character {
            '\0'..='\u{FF}' => is_printable(character) && !matches!(character, '\u{7F}'..='\u{9F}'),
            _ => matches!(character,
                '\u{370}'..='\u{52F}' | '\u{590}'..='\u{6FF}' | '\u{900}'..='\u{E7F}' | '\u{1E00}'..='\u{1EFF}'
                | '\u{2010}'..='\u{2044}' | '\u{3000}'..='\u{30FF}' | '\u{4E00}'..='\u{9FFF}'
                | '\u{AC00}'..='\u{D7A3}' | '\u{FF00}'..='\u{FFEF}'),
        })
    });
    // A filler of a few different bytes is no text.
    is_all_script && first.flatten().collect::<BTreeSet<char>>().len() >= 4
}
