//! The names in an archive: from task id to folder name, from asset to file name.
//!
//! Folder names and file stems are made here; `transfer::finish` adds the extension, which comes only from the table in
//! `media_type`. A file keeps the stem that it has, however many assets a later answer names (`FileStems`). All names use closed
//! alphabets and are safe on every system: no separator, no device name, and no two names that a file system could treat as one.
//! Nothing from the network can name a path outside its task folder.
//!
//! A file in a bucket whose plain name other bytes have gets a *suffixed* name, with the first digits of its own hash. Such a name
//! is valid on a disk too, because a bucket can be copied to one.

use std::collections::HashMap;
use std::ffi::OsStr;

use crate::domain::asset_key::{AssetKey, Kind};
use crate::integrity::digest::Sha256Hex;

/// The manifest in the root and in each task folder.
pub const MANIFEST: &str = "manifest.json";
/// The checksum list beside the root manifest.
pub const SHA256SUMS: &str = "SHA256SUMS";
/// The page to browse an archive.
pub const GALLERY: &str = "index.html";
/// The text result beside a task's media.
pub const TEXT: &str = "text.txt";
/// The digits of the hash in a suffixed name.
const SUFFIX_DIGITS: usize = 16;

/// Names at the root that no task folder may have; in lower case, because some file systems ignore case.
const RESERVED_NAMES: [&str; 3] = [MANIFEST, "sha256sums", GALLERY];
/// The most digits of an N. A longer one would make a name that no file system takes.
const MAX_DIGITS: usize = 20;
const WINDOWS_DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of a task's folder: the id if it is safe on every system, else a readable prefix and a hash.
#[must_use]
pub fn folder_name(task_id: &str) -> String {
    if is_portable_name(task_id) {
        return task_id.to_owned();
    }
    let prefix: String = task_id.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{prefix}-{}", hash_suffix(&Sha256Hex::digest(task_id.as_bytes())))
}

/// Whether [`folder_name`] could have made `name`.
#[must_use]
pub fn is_folder_name(name: &str) -> bool {
    is_portable_name(name)
        || name.rsplit_once('-').is_some_and(|(prefix, hash)| {
            is_hash_suffix(hash)
                && !prefix.is_empty()
                && prefix.len() <= 40
                && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// The stems of the files in one task's folder: `KIND-N`.
///
/// All N of a kind have one width: that of the names in the folder or, where it has none, that of the largest N of the answer.
/// So `image-1` to `image-9` stay, and `image-10` follows.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileStems {
    present: HashMap<AssetKey, String>,
    widths: HashMap<Kind, usize>,
}

impl FileStems {
    /// `names` are the names in the folder, `counts` how many assets the answer has of each kind.
    #[must_use]
    pub(crate) fn new<'a>(
        names: impl IntoIterator<Item = (AssetKey, &'a str)>,
        counts: impl IntoIterator<Item = (Kind, usize)>,
    ) -> Self {
        let mut stems = Self::default();
        for (key, name) in names {
            // A manifest that somebody else wrote may give an asset the name of another one.
            if let Some(number) = number_of(key.kind, name).filter(|number| number.parse() == Ok(key.index)) {
                let width = stems.widths.entry(key.kind).or_insert(number.len());
                // Where a number has outgrown the width, the others still show it.
                *width = number.len().min(*width);
                stems.present.insert(key, format!("{}-{number}", key.kind));
            }
        }
        for (kind, count) in counts {
            stems.widths.entry(kind).or_insert(count.max(1).ilog10() as usize + 1);
        }
        stems
    }

    /// The stem of the asset's file.
    #[must_use]
    pub(crate) fn stem(&self, key: AssetKey) -> String {
        let AssetKey { kind, index } = key;
        let width = self.widths.get(&kind).copied().unwrap_or(1);
        self.present.get(&key).cloned().unwrap_or_else(|| format!("{kind}-{index:0width$}"))
    }
}

/// Whether `name` could be the name of a file of `kind`: a stem, perhaps a suffix, and an extension.
#[must_use]
pub fn is_file_name(kind: Kind, name: &str) -> bool {
    number_of(kind, name).is_some()
}

/// Whether a file of `kind` with this hash could have `name`: a suffix must be that of the hash.
#[must_use]
pub(crate) fn is_name_of(kind: Kind, name: &str, sha256: &Sha256Hex) -> bool {
    parse_file_name(kind, name).is_some_and(|(_, suffix)| suffix.is_none_or(|suffix| suffix == hash_suffix(sha256)))
}

/// Whether `name` is a suffixed name of a file of `kind`.
#[must_use]
pub(crate) fn is_suffixed_name(kind: Kind, name: &str) -> bool {
    parse_file_name(kind, name).is_some_and(|(_, suffix)| suffix.is_some())
}

/// Whether `name` could be the name of a text: `text.txt`, perhaps with a suffix.
#[must_use]
pub(crate) fn is_text_name(name: &str) -> bool {
    name == TEXT || text_suffix(name).is_some()
}

/// Whether the text with this hash could have `name`.
#[must_use]
pub(crate) fn is_name_of_text(name: &str, sha256: impl FnOnce() -> Sha256Hex) -> bool {
    name == TEXT || text_suffix(name).is_some_and(|suffix| suffix == hash_suffix(&sha256()))
}

/// The name of a file with this hash when other bytes have `name`: `video-1-0123456789abcdef.mp4`.
#[must_use]
pub(crate) fn suffixed_name(name: &str, sha256: &Sha256Hex) -> String {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    format!("{stem}-{}.{extension}", hash_suffix(sha256))
}

/// Whether the suffixed names of two files can't tell them apart.
#[must_use]
pub(crate) fn have_same_suffix(a: &Sha256Hex, b: &Sha256Hex) -> bool {
    hash_suffix(a) == hash_suffix(b)
}

/// Whether a file in an archive can have `name`, so that nothing else may be written there. Letter case does not count, because
/// some file systems ignore it.
#[must_use]
pub(crate) fn is_archive_file_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy().to_lowercase();
    let is_small_file = [MANIFEST, "sha256sums", GALLERY].contains(&name.as_str()) || is_text_name(&name);
    is_small_file || Kind::ALL.into_iter().any(|kind| is_file_name(kind, &name))
}

/// The digits of N in the name of a file of `kind`.
fn number_of(kind: Kind, name: &str) -> Option<&str> {
    parse_file_name(kind, name).map(|(number, _)| number)
}

/// The digits of N in the name of a file of `kind`, and the suffix of a suffixed name.
fn parse_file_name(kind: Kind, name: &str) -> Option<(&str, Option<&str>)> {
    let (number, extension) = name.strip_prefix(kind.as_str())?.strip_prefix('-')?.split_once('.')?;
    let (number, suffix) = number.split_once('-').map_or((number, None), |(number, suffix)| (number, Some(suffix)));
    let is_number = (1..=MAX_DIGITS).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_extension = !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_number && is_extension && suffix.is_none_or(is_hash_suffix)).then_some((number, suffix))
}

/// The suffix in the name of a text.
fn text_suffix(name: &str) -> Option<&str> {
    name.strip_prefix("text-")?.strip_suffix(".txt").filter(|suffix| is_hash_suffix(suffix))
}

/// The first digits of a hash, as they stand in names.
fn hash_suffix(sha256: &Sha256Hex) -> &str {
    &sha256.as_str()[..SUFFIX_DIGITS]
}

fn is_hash_suffix(suffix: &str) -> bool {
    suffix.len() == SUFFIX_DIGITS && suffix.bytes().all(is_hex)
}

fn is_portable_name(id: &str) -> bool {
    let bytes = id.as_bytes();
    (1..=100).contains(&bytes.len())
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        && bytes[0].is_ascii_alphanumeric()
        && !id.ends_with('.')
        && !is_device_name(id.split('.').next().unwrap_or_default())
        && !id.rsplit_once('-').is_some_and(|(rest, suffix)| !rest.is_empty() && is_hash_suffix(suffix))
        && !RESERVED_NAMES.contains(&id)
}

fn is_device_name(name: &str) -> bool {
    let numbered = |port: &str| name.strip_prefix(port).is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']));
    WINDOWS_DEVICE_NAMES.contains(&name) || numbered("com") || numbered("lpt")
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests;
