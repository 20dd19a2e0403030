//! Names of files and folders that people read, and that Windows, macOS and Linux accept.
//!
//! A name comes from titles and prompts, which can hold anything. Letters of every script stay, and so do emoji. What a system
//! refuses or shows falsely is removed: control and bidi characters, invisible ones, and the characters that Windows reserves. A
//! name never begins with a dot (it would be hidden) or a `-` (a shell would take it for an option), never ends in a dot or a
//! blank, and is no device of Windows. It is in NFC, and has at most [`MAX_BYTES`] bytes. It is never cut inside what a reader
//! takes for one character.
//!
//! Two names are alike if a file system could take them for one: see [`fold`].

use std::ops::RangeInclusive;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// The most bytes of a name, in UTF-8. Every file system takes 255; the rest is for what other programs add.
pub(crate) const MAX_BYTES: usize = 200;
/// The most bytes of an extension. Those of the archive have at most four.
const MAX_EXTENSION: usize = 16;

/// Windows takes these for devices, whatever extension follows. COM and LPT also have a number.
const DEVICES: [&str; 7] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$"];
/// The numbers of COM and LPT. Windows takes the raised digits for digits.
const PORT_NUMBERS: &str = "0123456789¹²³";

/// Invisible characters, and those that change the direction of the text. The two joiners are not among them: emoji and Persian
/// need them.
const INVISIBLE: [RangeInclusive<char>; 15] = [
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{61c}'..='\u{61c}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200b}',
    '\u{200e}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{3164}'..='\u{3164}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffc}',
    '\u{1d173}'..='\u{1d17a}',
];

/// A text with only what a name can have: in NFC, runs of blanks as one blank, none at the ends.
#[must_use]
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::new();
    for c in text.nfc() {
        if c.is_whitespace() || matches!(c, '/' | '\\' | ':' | '|') {
            if !clean.is_empty() && !clean.ends_with(' ') {
                clean.push(' ');
            }
        } else if !is_removed(c) {
            clean.push(c);
        }
    }
    // A mark that followed a removed character now follows another one.
    clean.trim_end().nfc().collect()
}

/// The beginning of a text: `count` of what a reader takes for one character.
#[must_use]
pub(crate) fn cut(text: &str, count: usize) -> &str {
    text.grapheme_indices(true).nth(count).map_or(text, |(end, _)| text[..end].trim_end())
}

/// The form in which names are equal that a file system could take for one: without letter case, Unicode form and joiners.
#[must_use]
pub(crate) fn fold(name: &str) -> String {
    let is_ignored = |c: &char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}');
    let plain: String = name.nfd().filter(|c| !is_ignored(c)).collect();
    // Both directions: no single one makes all of `ẞ ß ss` and `ς σ Σ` equal.
    plain.to_lowercase().to_uppercase().nfd().collect()
}

/// The name of a file or folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SafeName {
    stem: String,
    /// With its dot; empty for a folder.
    extension: String,
}

impl SafeName {
    /// The name of a folder; none if nothing visible is left of `text`.
    #[must_use]
    pub(crate) fn folder(text: &str) -> Option<Self> {
        Self::new(text, String::new())
    }

    /// The name of a file. `text` may have the extension already. None if nothing visible is left of it.
    #[must_use]
    pub(crate) fn file(text: &str, extension: &str) -> Option<Self> {
        let extension: String = extension.chars().filter(char::is_ascii_alphanumeric).take(MAX_EXTENSION).collect();
        let extension = format!(".{}", if extension.is_empty() { "bin" } else { &extension });
        let text = clean(text);
        let at = text.len().saturating_sub(extension.len());
        let has_it = text.get(at..).is_some_and(|end| end.eq_ignore_ascii_case(&extension));
        Self::new(if has_it { &text[..at] } else { &text }, extension)
    }

    fn new(text: &str, extension: String) -> Option<Self> {
        let text = clean(text);
        // One byte is for the `_` of a device.
        let mut stem = cut_bytes(trim(&text), MAX_BYTES - 1 - extension.len()).to_owned();
        if !stem.chars().any(is_visible) {
            return None;
        }
        if stem.starts_with('-') {
            stem.replace_range(..1, "_");
        }
        let base = stem.split('.').next().unwrap_or_default().trim_end().len();
        if is_device(&stem[..base]) {
            stem.insert(base, '_');
        }
        Some(Self { stem, extension })
    }

    /// The name; from `number` 2 on with ` (2)` before the extension.
    #[must_use]
    pub(crate) fn numbered(&self, number: usize) -> String {
        let Self { stem, extension } = self;
        if number < 2 {
            return format!("{stem}{extension}");
        }
        let suffix = format!(" ({number}){extension}");
        // A single character can have too many marks for the suffix to fit beside it.
        let stem = Some(cut_bytes(stem, MAX_BYTES - suffix.len())).filter(|stem| !stem.is_empty()).unwrap_or("_");
        format!("{stem}{suffix}")
    }
}

/// Whether [`SafeName`] could have made a name.
#[cfg(test)]
pub(crate) fn is_safe(name: &str) -> bool {
    SafeName::folder(name).is_some_and(|safe| safe.stem == name)
}

/// Without dots and blanks at the ends.
fn trim(text: &str) -> &str {
    text.trim_matches(['.', ' '])
}

/// The beginning of a text that has at most `limit` bytes.
fn cut_bytes(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let ends = text.grapheme_indices(true).map(|(at, _)| at).take_while(|at| *at <= limit);
    trim(&text[..ends.last().unwrap_or_default()])
}

fn is_removed(c: char) -> bool {
    c.is_control()
        || matches!(c, '<' | '>' | '"' | '?' | '*')
        || INVISIBLE.iter().any(|range| range.contains(&c))
        // No characters: U+FFFE, U+FFFF and their like, and a block of them.
        || u32::from(c) & 0xFFFE == 0xFFFE
        || ('\u{fdd0}'..='\u{fdef}').contains(&c)
}

/// Whether a reader sees the character on its own.
fn is_visible(c: char) -> bool {
    !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' | '\u{2800}')
}

fn is_device(base: &str) -> bool {
    let base = base.to_uppercase();
    let is_port = |port: &str| {
        let number = base.strip_prefix(port);
        number.is_some_and(|number| number.chars().count() == 1 && PORT_NUMBERS.contains(number))
    };
    DEVICES.contains(&base.as_str()) || is_port("COM") || is_port("LPT")
}

#[cfg(test)]
mod tests;
