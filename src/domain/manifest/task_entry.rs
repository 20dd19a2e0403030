//! The manifest's entry of one task, in the task manifest and in the root manifest.
//!
//! The two entries differ in two points: paths are relative to the task folder or to the root, and only the task manifest keeps
//! the API's answer. [`TaskEntry::into_root_relative`] and [`TaskEntry::into_task_relative`] convert between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::unknown_fields::{UnknownFields, keep_unknown_fields};
use super::{ApiResponse, AssetError, FileEntry};
use crate::integrity::digest::Sha256Hex;
use crate::layout;
use crate::redact::redact_urls;

/// How complete a task is in the archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything that the answer names is saved.
    Complete,
    /// Everything that was asked for is saved; other kinds were left out on purpose.
    Partial,
    /// Some asset could not be saved: see `errors`.
    Incomplete,
    /// The task itself failed: see `err_reason`.
    Failed,
}

/// One task of an archive. Optional fields that are unknown are left out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self")]
#[non_exhaustive]
pub struct TaskEntry {
    /// The id that the user gave, whatever id the answer has.
    pub task_id: String,
    /// How complete the task is.
    pub state: State,
    /// The API's status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The API's progress, such as `100%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// The platform that made it, in lower case, such as `kling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The model that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The API's message, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why the task failed, as the API says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub err_reason: Option<String>,
    /// When the task was submitted: RFC 3339, in UTC, as all times here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::domain::schema::Time")]
    pub submit_time: Option<String>,
    /// When the task finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::domain::schema::Time")]
    pub finish_time: Option<String>,
    /// When this entry was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "crate::domain::schema::Time")]
    pub archived_at: Option<String>,
    /// The text result, verbatim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The path of the file with `text`, relative to the manifest's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_path: Option<String>,
    /// The other fields of the task's line in the input list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
    /// The saved files, in the order of kinds and numbers.
    #[serde(default)]
    pub files: Vec<FileEntry>,
    /// The assets that could not be saved.
    #[serde(default)]
    pub errors: Vec<AssetError>,
    /// The API's answer; in the task manifest only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub response: Option<ApiResponse>,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
    /// Unknown fields beside the list of tasks, in a task manifest.
    #[serde(skip)]
    pub(crate) unknown_manifest_fields: UnknownFields,
}

keep_unknown_fields!(TaskEntry);

impl TaskEntry {
    /// Whether it is from a task manifest: only that one keeps the answer, and its paths have no folder.
    #[must_use]
    pub(crate) fn is_task_relative(&self) -> bool {
        let mut paths = self.files.iter().map(FileEntry::path).chain(self.text_path.as_deref());
        self.response.is_some() || paths.any(|path| !path.contains('/'))
    }

    /// The entry for the root manifest: paths relative to the root, no answer.
    #[must_use]
    pub(crate) fn into_root_relative(mut self) -> Self {
        let folder = layout::folder_name(&self.task_id);
        let add_folder = |path: &mut String| *path = format!("{folder}/{path}");
        self.text_path.iter_mut().for_each(add_folder);
        self.files.iter_mut().for_each(|file| add_folder(&mut file.path));
        self.response = None;
        self.unknown_manifest_fields = UnknownFields::default();
        self
    }

    /// The entry for the task manifest, when only the root manifest is left. Paths outside the task's folder stay unchanged.
    #[must_use]
    pub(crate) fn into_task_relative(mut self) -> Self {
        let folder = layout::folder_name(&self.task_id);
        let strip_folder = |path: &mut String| {
            if let Some(name) = path.strip_prefix(&folder).and_then(|path| path.strip_prefix('/')) {
                *path = name.to_owned();
            }
        };
        self.text_path.iter_mut().for_each(strip_folder);
        self.files.iter_mut().for_each(|file| strip_folder(&mut file.path));
        self
    }

    /// The entry as a list shows it: without the gateway's answer and the signed URLs, and with the paths that `path_of` makes of
    /// the names of files in the task's folder. Only names are used, so each path must have been checked.
    #[must_use]
    pub(crate) fn for_listing(mut self, path_of: impl Fn(&str) -> String) -> Self {
        let below = |path: &mut String| *path = path_of(path.rsplit('/').next().unwrap_or_default());
        let redact = |text: &mut String| *text = redact_urls(text).into_owned();
        self.text_path.iter_mut().for_each(below);
        for file in &mut self.files {
            below(&mut file.path);
            file.url = None;
            file.warnings.iter_mut().for_each(redact);
        }
        for error in &mut self.errors {
            error.url = None;
            redact(&mut error.error);
        }
        self.message.iter_mut().chain(&mut self.err_reason).for_each(redact);
        self.response = None;
        self
    }

    /// The name of the file with `text` in the task's folder: the recorded one, if this program could have given it.
    #[must_use]
    pub(crate) fn text_name(&self) -> &str {
        let recorded = self.text_path.as_deref().and_then(|path| path.rsplit('/').next());
        let is_ours = |name: &&str| match &self.text {
            Some(text) => layout::is_name_of_text(name, || Sha256Hex::digest(text.as_bytes())),
            None => layout::is_text_name(name),
        };
        recorded.filter(is_ours).unwrap_or(layout::TEXT)
    }

    /// Puts an error in place of the file of its asset, which could not be saved.
    pub(crate) fn replace_file_by_error(&mut self, error: AssetError) {
        self.files.retain(|file| file.key() != error.key());
        self.errors.retain(|before| before.key() != error.key());
        self.errors.push(error);
        self.sort();
        if self.state != State::Failed {
            self.state = State::Incomplete;
        }
    }

    /// Sorts files and errors into the order of a manifest.
    pub(crate) fn sort(&mut self) {
        self.files.sort_by_key(FileEntry::key);
        self.errors.sort_by_key(AssetError::key);
    }

    /// Whether both are equal, except for the time of writing.
    #[must_use]
    pub(crate) fn eq_ignoring_archived_at(&mut self, other: &Self) -> bool {
        // Changes the time in place, because a copy may be large.
        let own = std::mem::replace(&mut self.archived_at, other.archived_at.clone());
        let is_same = *self == *other;
        self.archived_at = own;
        is_same
    }

    /// The total size of its files, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size()))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::asset_key::{AssetKey, Kind};
    use crate::domain::code::AssetErrorCode;
    use crate::domain::manifest::file_entry::tests::file_entry;
    use serde_json::json;

    pub(crate) fn entry(task_id: &str) -> TaskEntry {
        serde_json::from_value(json!({"task_id": task_id, "state": "complete"})).unwrap()
    }

    #[test]
    fn keys_keep_their_order_and_absent_fields_are_omitted() {
        let mut task = entry("t1");
        task.text_path = Some("text.txt".to_owned());
        task.files.push(file_entry(Kind::Video, 1, "video-1.mp4"));
        task.errors.push(AssetError::new(
            AssetKey { kind: Kind::Image, index: 2 },
            None,
            AssetErrorCode::DeadLink,
            Some(404),
            "HTTP 404 Not Found".to_owned(),
        ));
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            serde_json::to_string(&task.into_root_relative()).unwrap(),
            format!(
                r#"{{"task_id":"t1","state":"complete","text_path":"t1/text.txt","files":[{{"kind":"video","index":1,"path":"t1/video-1.mp4","size":7,"sha256":"{hash}","warnings":[]}}],"errors":[{{"kind":"image","index":2,"code":"dead_link","http_status":404,"error":"HTTP 404 Not Found"}}]}}"#
            )
        );
    }

    #[test]
    fn name_of_a_text_is_the_recorded_one_if_it_is_ours() {
        let mut task = entry("t1");
        task.text = Some("la".to_owned());
        let own = layout::suffixed_name(layout::TEXT, &Sha256Hex::digest(b"la"));
        let other = layout::suffixed_name(layout::TEXT, &Sha256Hex::digest(b"other"));
        for (recorded, name) in [
            (None, "text.txt"),
            (Some("text.txt".to_owned()), "text.txt"),
            (Some(own.clone()), own.as_str()),
            (Some(format!("t1/{own}")), &own),
            (Some(format!("t1/{other}")), "text.txt"),
            (Some("../video-1.mp4".to_owned()), "text.txt"),
        ] {
            task.text_path = recorded;
            assert_eq!(task.text_name(), name);
        }
        (task.text, task.text_path) = (None, Some(other.clone()));
        assert_eq!(task.text_name(), other, "without the text only the form counts");
    }

    #[test]
    fn files_are_sorted_by_kind_and_index() {
        let mut task = entry("t");
        for (kind, index) in [(Kind::Audio, 1), (Kind::Image, 2), (Kind::Video, 3), (Kind::Image, 1)] {
            task.files.push(file_entry(kind, index, "x"));
        }
        task.sort();
        let order: Vec<String> = task.files.iter().map(|file| file.key().to_string()).collect();
        assert_eq!(order, ["video 3", "image 1", "image 2", "audio 1"]);
    }
}
