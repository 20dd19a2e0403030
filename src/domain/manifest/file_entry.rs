//! What a manifest says of one asset: the [`FileEntry`] of a file that is here, the [`AssetError`] of one that could not be had.
//!
//! An entry for a new file can only be made from a [`Whole`] one. What is read back is hostile until checked: a path is
//! followed only as the name that this program could have given the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unknown_fields::{UnknownFields, keep_unknown_fields};
use crate::domain::asset_key::{AssetKey, Kind};
use crate::integrity::digest::Sha256Hex;
use crate::layout;

/// One downloaded file. Its identity, path, size and hash are fixed once made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct FileEntry {
    kind: Kind,
    /// Its number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// Relative to the manifest's folder, with `/`.
    pub(super) path: String,
    /// In bytes.
    size: u64,
    /// Of all its bytes.
    sha256: Sha256Hex,
    /// What decided the extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What the bytes are, when that is provably something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_type: Option<String>,
    /// In seconds, from where `duration_source` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub duration_seconds: Option<f64>,
    /// `api` or `media`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["api", "media"]))]
    pub duration_source: Option<String>,
    /// In seconds, from the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub measured_duration_seconds: Option<f64>,
    /// Whole for http(s), `data:` alone for a `data:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The host's `Last-Modified`, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::domain::schema::Time")]
    pub last_modified: Option<String>,
    /// The header whose digest the bytes agree with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
    /// What is odd about it.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
}

keep_unknown_fields!(FileEntry);

/// A file that has all its bytes, hashed, and the name that it will have. Only the store has such, and sees to it that no
/// manifest names one before it is durable.
pub(crate) trait CompleteFile {
    /// Its name within the task folder.
    fn name(&self) -> &str;
    /// In bytes.
    fn size(&self) -> u64;
    /// Of all its bytes.
    fn sha256(&self) -> &Sha256Hex;
}

impl FileEntry {
    /// The entry of a whole file, nothing else known of it.
    #[must_use]
    pub(crate) fn new(slot: AssetKey, file: &impl CompleteFile) -> Self {
        Self {
            kind: slot.kind,
            index: slot.index,
            path: file.name().to_owned(),
            size: file.size(),
            sha256: file.sha256().clone(),
            content_type: None,
            detected_type: None,
            duration_seconds: None,
            duration_source: None,
            measured_duration_seconds: None,
            url: None,
            last_modified: None,
            verified_by: None,
            warnings: Vec::new(),
            unknown: UnknownFields::default(),
        }
    }

    /// The entry as an event shows it: with a path from the working directory, and without the signed URL.
    #[must_use]
    pub(crate) fn for_event(self, path: String) -> Self {
        Self { path, url: None, ..self }
    }

    /// Which asset it is.
    #[must_use]
    pub fn key(&self) -> AssetKey {
        AssetKey { kind: self.kind, index: self.index }
    }

    /// As recorded, relative to the manifest's folder. Never opened unchecked: see [`FileEntry::name`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file's name in its task folder, when the path is one that this program could have made
    /// there; none for whatever climbs, hides, names a folder or poses as another file of ours.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.valid_name(&self.path)
    }

    /// The file's name in its task's `folder`, for an entry of a root manifest.
    #[must_use]
    pub(crate) fn name_in_folder(&self, folder: &str) -> Option<&str> {
        self.valid_name(self.path.strip_prefix(folder)?.strip_prefix('/')?)
    }

    /// `name`, when it is one that this program could have given the file.
    fn valid_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        layout::is_file_name(self.kind, name).then_some(name)
    }

    /// Whether it lists media that are not here.
    #[must_use]
    pub fn is_playlist(&self) -> bool {
        let by_name = || self.path.rsplit('.').next() == Some("m3u8");
        self.detected_type.as_deref().map_or_else(by_name, |detected| detected == "application/vnd.apple.mpegurl")
    }

    /// In bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Of all its bytes.
    #[must_use]
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }
}

/// An asset that could not be had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct AssetError {
    kind: Kind,
    /// Its number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// Whole for http(s), `data:` alone for a `data:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What went wrong, for people.
    pub error: String,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
}

keep_unknown_fields!(AssetError);

impl AssetError {
    /// The entry of an asset that could not be had.
    #[must_use]
    pub(crate) fn new(slot: AssetKey, url: Option<String>, error: String) -> Self {
        Self { kind: slot.kind, index: slot.index, url, error, unknown: UnknownFields::default() }
    }

    /// Which asset it is.
    #[must_use]
    pub fn key(&self) -> AssetKey {
        AssetKey { kind: self.kind, index: self.index }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) struct Stub(pub &'static str, pub u64);

    impl CompleteFile for Stub {
        fn name(&self) -> &str {
            self.0
        }
        fn size(&self) -> u64 {
            self.1
        }
        fn sha256(&self) -> &Sha256Hex {
            static HASH: std::sync::LazyLock<Sha256Hex> = std::sync::LazyLock::new(|| Sha256Hex::digest(b""));
            &HASH
        }
    }

    #[test]
    fn path_we_cannot_have_written_is_rejected() {
        let name = |path: &str| {
            let mut file = FileEntry::new(AssetKey { kind: Kind::Video, index: 1 }, &Stub("video-1.mp4", 7));
            file.path = path.to_owned();
            file.name().is_some()
        };
        assert!(name("video-1.mp4") && name("video-01.bin"));
        for hostile in [
            "",
            "manifest.json",
            "text.txt",
            "../video-1.mp4",
            "/video-1.mp4",
            "video-1.mp4/..",
            "video-1.",
            "video-.mp4",
            "image-1.png",
            "video-1.mp4\\x",
            "C:video-1.mp4",
            "video-1.mp4:s",
            "video-1.tar.gz",
            ".video-1.mp4",
            "video-1.mp4\0",
        ] {
            assert!(!name(hostile), "{hostile}");
        }
    }
}
