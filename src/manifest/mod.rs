//! The manifest as data: what the archive holds, in one schema for a task folder and for the whole archive.
//!
//! Owns the shape (version 1), the order of keys and entries, and the rule that the same archive
//! gives the same bytes. A manifest describes files relative to the folder that it stands in. A
//! [`FileEntry`] for a new file can only be made from a `Whole` one. What is read back is hostile
//! until checked: see [`FileEntry::name`].

mod answer;
mod judge;
mod read;
mod write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Sha256Hex;
use crate::kind::{Kind, Slot};
use crate::naming;

pub use answer::Answer;
pub use judge::{Verdict, judge};
pub use read::{Unread, walk};
pub use write::write;

/// The version that this program writes, and the highest that it reads.
pub const VERSION: u64 = 1;

/// What is kept in a manifest (an answer, notes beside an id) is nested no deeper than this, so that it can be read again.
pub const MOST_LEVELS: usize = 100;

/// `yescale-dl 0.1.0`
pub const GENERATOR: &str = concat!("yescale-dl ", env!("CARGO_PKG_VERSION"));

/// How many levels `value` is nested. The parser has bounded them.
#[must_use]
pub fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What the archive holds, sorted by task id. A manifest describes files relative to the folder that it stands in.
#[derive(Serialize, JsonSchema)]
struct Manifest<T> {
    /// Readers refuse a higher one than they know.
    #[schemars(extend("const" = VERSION))]
    manifest_version: u64,
    /// The program that wrote it, and its version.
    generator: &'static str,
    tasks: T,
}

/// The JSON Schema of a manifest.
#[must_use]
pub fn schema() -> String {
    crate::schema::of::<Manifest<Vec<TaskEntry>>>()
}

/// How much of a task the archive has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything the answer names is here.
    Complete,
    /// All that was asked for is here, other kinds were left out on purpose.
    Partial,
    /// Some asset could not be had: see `errors`.
    Incomplete,
    /// The task itself failed: `err_reason` says why.
    Failed,
}

/// One task of an archive. Optional fields that are unknown are left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct TaskEntry {
    /// The id that was asked for, whatever the answer called it.
    pub task_id: String,
    /// How much of it is here.
    pub state: State,
    /// The API's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// As the API puts it, such as `100%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The API's, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why the task failed, in the API's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub err_reason: Option<String>,
    /// When the task was given to the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::schema::Time")]
    pub submit_time: Option<String>,
    /// When the task finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::schema::Time")]
    pub finish_time: Option<String>,
    /// When this entry was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::schema::Time")]
    pub archived_at: Option<String>,
    /// The text result, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Where `text` stands as a file, relative to the manifest's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_path: Option<String>,
    /// What stood beside the id in the list that named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
    /// What is here, in the order of kinds and numbers.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// What could not be had.
    #[serde(default)]
    pub errors: Vec<AssetError>,
    /// The API's answer; in the task's own manifest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub response: Option<Answer>,
}

/// One downloaded file. Its identity, path, size and hash are fixed once made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FileEntry {
    kind: Kind,
    /// Its number within the kind, from 1, in the API's order.
    #[schemars(range(min = 1))]
    index: usize,
    /// Relative to the manifest's folder, with `/`.
    path: String,
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
    #[schemars(with = "crate::schema::Time")]
    pub last_modified: Option<String>,
    /// The header whose digest the bytes agree with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_by: Option<String>,
    /// What is odd about it.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// A file that is whole, hashed, synced and stands under its final name. Only the store has such.
pub(crate) trait Whole {
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
    pub(crate) fn of(slot: Slot, file: &impl Whole) -> Self {
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
        }
    }

    /// Which asset it is.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot { kind: self.kind, index: self.index }
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
        self.own_name(&self.path)
    }

    /// The file's name in its task's `folder`, for an entry of a root manifest.
    #[must_use]
    pub(crate) fn rooted_name(&self, folder: &str) -> Option<&str> {
        self.own_name(self.path.strip_prefix(folder)?.strip_prefix('/')?)
    }

    /// `name`, when it is one that this program could have given the file.
    fn own_name<'a>(&self, name: &'a str) -> Option<&'a str> {
        naming::is_file(self.kind, name).then_some(name)
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
}

impl AssetError {
    /// The entry of an asset that could not be had.
    #[must_use]
    pub(crate) fn of(slot: Slot, url: Option<String>, error: String) -> Self {
        Self { kind: slot.kind, index: slot.index, url, error }
    }

    /// Which asset it is.
    #[must_use]
    pub fn slot(&self) -> Slot {
        Slot { kind: self.kind, index: self.index }
    }
}

impl TaskEntry {
    /// As the root manifest has it: paths from the root, without the answer.
    #[must_use]
    pub(crate) fn into_rooted(mut self) -> Self {
        let folder = naming::folder(&self.task_id);
        let root = |path: &mut String| *path = format!("{folder}/{path}");
        self.text_path.iter_mut().for_each(root);
        self.files.iter_mut().for_each(|file| root(&mut file.path));
        self.response = None;
        self
    }

    /// As the task's own manifest had it, when the root manifest is all that is left; paths that are not its own stay as they are.
    #[must_use]
    pub(crate) fn into_own(mut self) -> Self {
        let folder = naming::folder(&self.task_id);
        let own = |path: &mut String| {
            if let Some(name) = path.strip_prefix(&folder).and_then(|path| path.strip_prefix('/')) {
                *path = name.to_owned();
            }
        };
        self.text_path.iter_mut().for_each(own);
        self.files.iter_mut().for_each(|file| own(&mut file.path));
        self
    }

    /// Files and errors in the order of a manifest.
    pub(crate) fn sort(&mut self) {
        self.files.sort_by_key(FileEntry::slot);
        self.errors.sort_by_key(AssetError::slot);
    }

    /// Whether it says the same as `other`, whenever either was written.
    #[must_use]
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let undated = |entry: &Self| Self { archived_at: None, ..entry.clone() };
        undated(self) == undated(other)
    }

    /// The size of its files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) struct Stub(pub &'static str, pub u64);

    impl Whole for Stub {
        fn name(&self) -> &str {
            self.0
        }
        fn size(&self) -> u64 {
            self.1
        }
        fn sha256(&self) -> &Sha256Hex {
            static HASH: std::sync::LazyLock<Sha256Hex> = std::sync::LazyLock::new(|| Sha256Hex::of(b""));
            &HASH
        }
    }

    pub(crate) fn entry(task_id: &str) -> TaskEntry {
        serde_json::from_value(json!({"task_id": task_id, "state": "complete"})).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_unknown_fields_are_left_out() {
        let mut task = entry("t1");
        task.text_path = Some("text.txt".to_owned());
        task.files.push(FileEntry::of(Slot { kind: Kind::Video, index: 1 }, &Stub("video-1.mp4", 7)));
        task.errors.push(AssetError::of(Slot { kind: Kind::Image, index: 2 }, None, "HTTP 404 Not Found".to_owned()));
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            serde_json::to_string(&task.into_rooted()).unwrap(),
            format!(
                r#"{{"task_id":"t1","state":"complete","text_path":"t1/text.txt","files":[{{"kind":"video","index":1,"path":"t1/video-1.mp4","size":7,"sha256":"{hash}","warnings":[]}}],"errors":[{{"kind":"image","index":2,"error":"HTTP 404 Not Found"}}]}}"#
            )
        );
    }

    #[test]
    fn a_path_that_we_could_not_have_made_is_no_name() {
        let name = |path: &str| {
            let mut file = FileEntry::of(Slot { kind: Kind::Video, index: 1 }, &Stub("video-1.mp4", 7));
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

    #[test]
    fn files_and_errors_stand_in_the_order_of_kinds_and_numbers() {
        let mut task = entry("t");
        for (kind, index) in [(Kind::Audio, 1), (Kind::Image, 2), (Kind::Video, 3), (Kind::Image, 1)] {
            task.files.push(FileEntry::of(Slot { kind, index }, &Stub("x", 1)));
        }
        task.sort();
        let order: Vec<String> = task.files.iter().map(|file| file.slot().to_string()).collect();
        assert_eq!(order, ["video 3", "image 1", "image 2", "audio 1"]);
    }
}
