//! What a manifest says of one task, in the task's own folder and at the root.
//!
//! The two differ in where paths begin, and the answer is kept in the task's own alone: [`TaskEntry::into_rooted`] and
//! [`TaskEntry::into_own`] lead from one to the other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::unknown_fields::{UnknownFields, keep_unknown_fields};
use super::{ApiResponse, AssetError, FileEntry};
use crate::layout;

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
#[serde(remote = "Self")]
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
    /// When the task was given to the API: RFC 3339, in UTC, as all times here.
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
    pub response: Option<ApiResponse>,
    /// Fields that this version does not know.
    #[serde(skip)]
    pub(crate) unknown: UnknownFields,
    /// Those that stand beside the list of tasks, in a task's own manifest.
    #[serde(skip)]
    pub(crate) unknown_manifest_fields: UnknownFields,
}

keep_unknown_fields!(TaskEntry);

impl TaskEntry {
    /// Whether it is from the task's own folder: the answer is kept there alone, and paths have no folder.
    #[must_use]
    pub(crate) fn is_task_relative(&self) -> bool {
        let mut paths = self.files.iter().map(FileEntry::path).chain(self.text_path.as_deref());
        self.response.is_some() || paths.any(|path| !path.contains('/'))
    }

    /// As the root manifest has it: paths from the root, without the answer.
    #[must_use]
    pub(crate) fn into_root_relative(mut self) -> Self {
        let folder = layout::folder_name(&self.task_id);
        let root = |path: &mut String| *path = format!("{folder}/{path}");
        self.text_path.iter_mut().for_each(root);
        self.files.iter_mut().for_each(|file| root(&mut file.path));
        self.response = None;
        self.unknown_manifest_fields = UnknownFields::default();
        self
    }

    /// As the task's own manifest had it, when the root manifest is all that is left; paths that are not its own stay as they are.
    #[must_use]
    pub(crate) fn into_task_relative(mut self) -> Self {
        let folder = layout::folder_name(&self.task_id);
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
        self.files.sort_by_key(FileEntry::key);
        self.errors.sort_by_key(AssetError::key);
    }

    /// Whether it says the same as `other`, whenever either was written.
    #[must_use]
    pub(crate) fn eq_ignoring_archived_at(&mut self, other: &Self) -> bool {
        // In place: a copy may be large.
        let own = std::mem::replace(&mut self.archived_at, other.archived_at.clone());
        let is_same = *self == *other;
        self.archived_at = own;
        is_same
    }

    /// The size of its files in bytes.
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
