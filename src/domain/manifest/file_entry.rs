//! The manifest's entry of a saved file: the [`FileEntry`].
//!
//! Only storage makes an entry for a new file, from a complete file whose bytes are hashed. An entry from a manifest on disk is
//! hostile until checked: its path is used only if it is a name that this program could have given the file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unknown_fields::{UnknownFields, keep_unknown_fields};
use crate::domain::asset_key::{AssetKey, Kind};
use crate::integrity::digest::Sha256Hex;
use crate::layout;

/// One downloaded file. Its key, path, size and hash never change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
pub struct FileEntry {
    kind: Kind,
    /// The number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// The path, relative to the manifest's folder, with `/`.
    pub(super) path: String,
    /// The size in bytes.
    size: u64,
    /// The SHA-256 of all its bytes.
    sha256: Sha256Hex,
    /// The media type that decided the extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The media type of the bytes, when it is provably another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected_type: Option<String>,
    /// The duration in seconds, from the source that `duration_source` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub duration_seconds: Option<f64>,
    /// The source of `duration_seconds`: `api` or `media`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["api", "media"]))]
    pub duration_source: Option<String>,
    /// The duration that the container gives, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub measured_duration_seconds: Option<f64>,
    /// The width in pixels as it is displayed, after rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// The height in pixels as it is displayed, after rotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// Frames per second, a whole number or a fraction, such as `25` or `30000/1001`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<String>,
    /// The codec of the video, such as `h264`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub video_codec: Option<String>,
    /// The codec of the audio, such as `aac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_codec: Option<String>,
    /// Audio samples per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate: Option<u32>,
    /// The number of audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// `true` if the file contains a C2PA manifest, which is not verified. Otherwise left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_credentials: Option<bool>,
    /// The whole URL for http(s), `data:` alone for a `data:` URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The `Last-Modified` that the host sent, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::domain::schema::Time")]
    pub last_modified: Option<String>,
    /// The header whose digest the bytes match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
    /// Anything unusual about the file, for people.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
}

keep_unknown_fields!(FileEntry);

impl FileEntry {
    /// The entry of the complete file `name` in its task's folder, with its size and the hash of all its bytes. Only storage
    /// calls it, and no manifest contains the entry before the file is durable.
    #[must_use]
    pub(crate) fn new(key: AssetKey, name: &str, size: u64, sha256: Sha256Hex) -> Self {
        Self {
            kind: key.kind,
            index: key.index,
            path: name.to_owned(),
            size,
            sha256,
            content_type: None,
            detected_type: None,
            duration_seconds: None,
            duration_source: None,
            measured_duration_seconds: None,
            width: None,
            height: None,
            frame_rate: None,
            video_codec: None,
            audio_codec: None,
            sample_rate: None,
            channels: None,
            content_credentials: None,
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

    /// The entry of the same file under another name in its task's folder.
    #[must_use]
    pub(crate) fn with_name(self, name: &str) -> Self {
        Self { path: name.to_owned(), ..self }
    }

    /// The key of its asset.
    #[must_use]
    pub fn key(&self) -> AssetKey {
        AssetKey { kind: self.kind, index: self.index }
    }

    /// The recorded path, relative to the manifest's folder. Never open it unchecked: see [`FileEntry::name`].
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The file's name in its task folder, if this program could have given it. `None` for a path that leaves the folder,
    /// names a folder or a dot-file, or is the name of another file of this program.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.valid_name(&self.path)
    }

    /// The file's name in its task's `folder`, for an entry of a root manifest. Checked as in [`FileEntry::name`].
    #[must_use]
    pub(crate) fn name_in_folder(&self, folder: &str) -> Option<&str> {
        self.valid_name(self.path.strip_prefix(folder)?.strip_prefix('/')?)
    }

    /// `name`, if this program could have given it to the file.
    fn valid_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        layout::is_name_of(self.kind, name, &self.sha256).then_some(name)
    }

    /// Whether it is a playlist: its media are not in the archive.
    #[must_use]
    pub fn is_playlist(&self) -> bool {
        let by_name = || self.path.rsplit('.').next() == Some("m3u8");
        self.detected_type.as_deref().map_or_else(by_name, |detected| detected == "application/vnd.apple.mpegurl")
    }

    /// Whether the API's duration and the container's differ by more than 10 % and more than one second.
    #[must_use]
    pub(crate) fn has_contradicting_durations(&self) -> bool {
        let (Some(given), Some(measured)) = (self.duration_seconds, self.measured_duration_seconds) else { return false };
        let difference = (given - measured).abs();
        difference > 1.0 && difference > 0.1 * given
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The SHA-256 of all its bytes.
    #[must_use]
    pub fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The entry of a file whose bytes matter to no test.
    pub(crate) fn file_entry(kind: Kind, index: usize, name: &str) -> FileEntry {
        FileEntry::new(AssetKey { kind, index }, name, 7, Sha256Hex::digest(b""))
    }

    #[test]
    fn durations_contradict_above_10_percent_and_one_second() {
        for (given, measured, contradict) in [
            (Some(128.92), Some(1.3), true),
            (Some(1.3), Some(128.92), true),
            (Some(5.0), Some(6.1), true),
            (Some(5.0), Some(6.0), false),
            (Some(0.5), Some(1.4), false),
            (Some(100.0), Some(109.0), false),
            (Some(100.0), Some(89.0), true),
            (None, Some(5.0), false),
            (Some(5.0), None, false),
        ] {
            let mut file = file_entry(Kind::Video, 1, "video-1.mp4");
            (file.duration_seconds, file.measured_duration_seconds) = (given, measured);
            assert_eq!(file.has_contradicting_durations(), contradict, "{given:?} {measured:?}");
        }
    }

    #[test]
    fn path_we_cannot_have_written_is_rejected() {
        let name = |path: &str| {
            let mut file = file_entry(Kind::Video, 1, "video-1.mp4");
            file.path = path.to_owned();
            file.name().is_some()
        };
        assert!(name("video-1.mp4") && name("video-01.bin") && name("video-1-e3b0c44298fc1c14.mp4"));
        for hostile in [
            "video-1-0123456789abcdef.mp4",
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
