//! The names in an archive: from task id to folder name, from asset to file name.
//!
//! Folder names and file stems are made here; `transfer::finish` adds the extension, which comes only from the table in
//! `media_type`. All names use closed alphabets and are safe on every system: no separator, no device name, and no two names
//! that a file system could treat as one. Nothing from the network can name a path outside its task folder.

use crate::domain::asset_key::Kind;
use crate::integrity::digest::Sha256Hex;

/// The manifest in the root and in each task folder.
pub const MANIFEST: &str = "manifest.json";
/// The checksum list beside the root manifest.
pub const SHA256SUMS: &str = "SHA256SUMS";
/// The page to browse an archive.
pub const GALLERY: &str = "index.html";
/// The text result beside a task's media.
pub const TEXT: &str = "text.txt";

/// Names at the root that no task folder may have; in lower case, because some file systems ignore case.
const RESERVED_NAMES: [&str; 3] = [MANIFEST, "sha256sums", GALLERY];
const WINDOWS_DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// The name of a task's folder: the id if it is safe on every system, else a readable prefix and a hash.
#[must_use]
pub fn folder_name(task_id: &str) -> String {
    if is_portable_name(task_id) {
        return task_id.to_owned();
    }
    let prefix: String = task_id.chars().take(40).map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("{prefix}-{}", &Sha256Hex::digest(task_id.as_bytes()).as_str()[..16])
}

/// Whether [`folder_name`] could have made `name`.
#[must_use]
pub fn is_folder_name(name: &str) -> bool {
    is_portable_name(name)
        || name.rsplit_once('-').is_some_and(|(prefix, hash)| {
            hash.len() == 16
                && hash.bytes().all(is_hex)
                && !prefix.is_empty()
                && prefix.len() <= 40
                && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// `KIND-N`, where N has the width of the largest number, `count`: `image-01` when there are ten or more.
#[must_use]
pub fn file_stem(kind: Kind, index: usize, count: usize) -> String {
    let width = count.max(1).ilog10() as usize + 1;
    format!("{kind}-{index:0width$}")
}

/// Whether `name` could be the name of a file of `kind`: a [`file_stem`] and an extension.
#[must_use]
pub fn is_file_name(kind: Kind, name: &str) -> bool {
    let numbered = name.strip_prefix(kind.as_str()).and_then(|rest| rest.strip_prefix('-')?.split_once('.'));
    numbered.is_some_and(|(number, extension)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number && !extension.is_empty() && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn is_portable_name(id: &str) -> bool {
    let bytes = id.as_bytes();
    (1..=100).contains(&bytes.len())
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
        && bytes[0].is_ascii_alphanumeric()
        && !id.ends_with('.')
        && !is_device_name(id.split('.').next().unwrap_or_default())
        && !ends_in_hash(bytes)
        && !RESERVED_NAMES.contains(&id)
}

fn is_device_name(name: &str) -> bool {
    let numbered = |port: &str| name.strip_prefix(port).is_some_and(|n| matches!(n.as_bytes(), [b'0'..=b'9']));
    WINDOWS_DEVICE_NAMES.contains(&name) || numbered("com") || numbered("lpt")
}

fn ends_in_hash(id: &[u8]) -> bool {
    id.len() >= 17 && id[id.len() - 17] == b'-' && id[id.len() - 16..].iter().copied().all(is_hex)
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn safe_id_is_its_own_folder_name() {
        let hundred = "a".repeat(100);
        for id in ["777935781150867525", "9f1c", "task_abc.d-e", "console", "com10", "x.con", "a-0123456789abcde", &hundred] {
            assert_eq!(folder_name(id), id);
            assert!(is_folder_name(id));
        }
    }

    #[test]
    fn unsafe_id_gets_a_readable_prefix_and_a_hash() {
        assert_eq!(folder_name("CjNQtmctxFMAAAAAAGZ1Vw"), "CjNQtmctxFMAAAAAAGZ1Vw-dde46322e86f5d57");
        let long = "a".repeat(101);
        for id in [
            "",
            ".hidden",
            "-x",
            "_x",
            "dot.",
            "con",
            "con.txt",
            "nul",
            "com1",
            "lpt9.x",
            "a b",
            "veo3:1",
            "models/veo/1",
            "..",
            "ä",
            "manifest.json",
            "sha256sums",
            "index.html",
            "a-0123456789abcdef",
            "Abc",
            "a\0b",
            "a\\b",
            &long,
        ] {
            let name = folder_name(id);
            assert_ne!(name, id);
            assert!(name.len() <= 57 && name.is_ascii(), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{name}");
            assert!(id.is_empty() || is_folder_name(&name), "{name}");
        }
        assert_eq!(folder_name("veo3:1756693796-YQVHH4A3Lg").split('-').next(), Some("veo3_1756693796_YQVHH4A3Lg"));
        assert!(folder_name("äöü").starts_with("___-"));
        assert_eq!(folder_name(&"ß".repeat(60)).len(), 57, "40 characters, not bytes");
    }

    #[test]
    fn no_two_ids_share_a_folder() {
        let hashed = folder_name("Abc");
        assert_ne!(folder_name(&hashed), hashed, "an id can't get the folder of another");
        assert_ne!(folder_name("Abc").to_lowercase(), folder_name("abc"));
        assert_ne!(folder_name("Abc").to_lowercase(), folder_name("ABC").to_lowercase());
    }

    #[test]
    fn indices_are_zero_padded_to_one_width() {
        assert_eq!(file_stem(Kind::Image, 1, 9), "image-1");
        assert_eq!(file_stem(Kind::Image, 1, 10), "image-01");
        assert_eq!(file_stem(Kind::Video, 10, 10), "video-10");
        assert_eq!(file_stem(Kind::Audio, 7, 100), "audio-007");
    }

    #[test]
    fn other_names_at_the_root_are_not_task_folders() {
        for name in ["", "manifest.json", "SHA256SUMS", ".lock", "My Photos", "X-0123456789abcdeg", "../x", "a/b"] {
            assert!(!is_folder_name(name), "{name}");
        }
    }
}
