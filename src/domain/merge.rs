//! Makes a task's new manifest entry from the old entry, the answer and the results of a run.
//!
//! Invariant: the archive keeps what it has. A later answer with fewer assets, a failed download or an excluded kind never
//! removes a file, its entry, the text or `meta`.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, AssetSelector};
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::plan::KindFilter;
use crate::domain::task::{Task, TaskPhase};
use crate::layout;

/// The results of a plan.
#[derive(Debug, Default)]
pub(crate) struct FetchResults {
    /// Files that were on disk before the run.
    pub kept: Vec<FileEntry>,
    /// Files that the run downloaded; each replaces the old file with its key.
    pub fetched: Vec<FileEntry>,
    /// Assets that could not be saved.
    pub errors: Vec<AssetError>,
    /// Assets whose download was attempted: their old errors no longer count.
    pub attempted: HashSet<AssetSelector>,
    /// Whether some asset was skipped, because its kind is excluded.
    pub has_skipped: bool,
}

/// Whether the answer lacks something that the archive has from an earlier answer.
#[must_use]
pub(crate) fn is_less_complete(task: &Task, known: &TaskEntry) -> bool {
    let named = task.assets.iter().map(Asset::selector).collect();
    (known.text.is_some() && task.text.is_none()) || known.files.iter().any(|file| !file.key().is_selected(&named))
}

/// The task's new entry.
#[must_use]
pub(crate) fn merge(
    id: &str,
    known: Option<&TaskEntry>,
    task: Task,
    results: FetchResults,
    wanted: KindFilter,
    now: Timestamp,
) -> TaskEntry {
    let is_less = known.is_some_and(|known| is_less_complete(&task, known));
    let present = merge_files(results.kept, results.fetched);
    let errors = merge_errors(known, &present, results.errors, &results.attempted);
    // A lost or damaged file that could not be replaced keeps its entry: otherwise nothing would show that it is missing.
    let files = merge_files(known.map(|known| known.files.clone()).unwrap_or_default(), present);
    let has_text = task.text.is_some();
    let text = task.text.filter(|_| wanted.text).or_else(|| known?.text.clone());
    let has_skipped = results.has_skipped || (has_text && text.is_none());
    let state = if task.phase == TaskPhase::Failed {
        State::Failed
    } else if !errors.is_empty() {
        State::Incomplete
    } else if has_skipped {
        State::Partial
    } else {
        State::Complete
    };
    // A text that stays keeps its name.
    let kept_name = known.filter(|known| known.text == text).map(TaskEntry::text_name);
    let text_path = text.as_ref().map(|_| kept_name.unwrap_or(layout::TEXT).to_owned());
    let archived_at = Some(Timestamp::from_second(now.as_second()).unwrap_or(now).to_string());
    let mut entry = match known.filter(|_| is_less).cloned() {
        // The entry keeps the fuller answer: its files belong to that one.
        Some(fuller) => TaskEntry { state, archived_at, text, text_path, files, errors, ..fuller },
        None => TaskEntry {
            task_id: id.to_owned(),
            state,
            status: task.status,
            progress: task.progress,
            platform: known.and_then(|known| known.platform.clone()),
            model: known.and_then(|known| known.model.clone()),
            message: task.message,
            err_reason: task.err_reason,
            submit_time: task.submit_time.map(|time| time.to_string()),
            finish_time: task.finish_time.map(|time| time.to_string()),
            archived_at,
            text,
            text_path,
            meta: known.and_then(|known| known.meta.clone()),
            files,
            errors,
            response: Some(task.response),
            unknown: known.map(|known| known.unknown.clone()).unwrap_or_default(),
            unknown_manifest_fields: known.map(|known| known.unknown_manifest_fields.clone()).unwrap_or_default(),
        },
    };
    entry.sort();
    entry
}

/// The files by key, where a new one replaces an old one.
fn merge_files(old: Vec<FileEntry>, mut new: Vec<FileEntry>) -> Vec<FileEntry> {
    let old_by_key: HashMap<AssetKey, &FileEntry> = old.iter().map(|file| (file.key(), file)).collect();
    for file in &mut new {
        // What another version recorded about these bytes is still true.
        if let Some(before) = old_by_key.get(&file.key()).filter(|before| before.sha256() == file.sha256()) {
            file.unknown.clone_from(&before.unknown);
        }
    }
    let replaced: HashSet<AssetKey> = new.iter().map(FileEntry::key).collect();
    old.into_iter().filter(|file| !replaced.contains(&file.key())).chain(new).collect()
}

/// The old errors that still hold, those of this run, and one for each playlist. An asset whose file is `present` has no error.
fn merge_errors(
    known: Option<&TaskEntry>,
    present: &[FileEntry],
    new: Vec<AssetError>,
    attempted: &HashSet<AssetSelector>,
) -> Vec<AssetError> {
    let present_keys: HashSet<AssetKey> = present.iter().map(FileEntry::key).collect();
    let old = known.iter().flat_map(|known| &known.errors).filter(|error| !error.key().is_selected(attempted)).cloned();
    let unsaved = old.chain(new).filter(|error| !present_keys.contains(&error.key()));
    unsaved.chain(present.iter().filter_map(playlist_error)).collect()
}

/// The error of a playlist: it is kept, but the media that it lists are not in the archive.
pub(super) fn playlist_error(file: &FileEntry) -> Option<AssetError> {
    file.is_playlist().then(|| {
        let message = "an HLS playlist: it is saved, but the media that it lists are not";
        AssetError::new(file.key(), file.url.clone(), AssetErrorCode::RefusedContent, None, message.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset_key::Kind;
    use crate::domain::manifest::ApiResponse;
    use crate::domain::manifest::tests::{entry, file_entry as file};
    use serde_json::{Value, json};

    #[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
    fn task(answer: Value) -> Task {
        Task::from_response(&ApiResponse::from_value(&answer).unwrap()).unwrap()
    }

    fn error(kind: Kind, index: usize) -> AssetError {
        AssetError::new(AssetKey { kind, index }, None, AssetErrorCode::DeadLink, Some(404), "HTTP 404 Not Found".to_owned())
    }

    fn merged(known: Option<&TaskEntry>, task: &Task, results: FetchResults, wanted: KindFilter) -> TaskEntry {
        merge("t", known, task.clone(), results, wanted, Timestamp::UNIX_EPOCH)
    }

    fn two_images() -> Task {
        task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1", "http://h/2"], "text": "la"}}))
    }

    #[test]
    fn state_follows_from_the_assets_present() {
        let both = || vec![file(Kind::Image, 2, "image-2.png"), file(Kind::Image, 1, "image-1.png")];
        let complete = merged(None, &two_images(), FetchResults { fetched: both(), ..FetchResults::default() }, KindFilter::ALL);
        assert_eq!(
            (complete.state, complete.text.as_deref(), complete.text_path.as_deref()),
            (State::Complete, Some("la"), Some("text.txt"))
        );
        let no_text = KindFilter { text: false, ..KindFilter::ALL };
        let partial = merged(None, &two_images(), FetchResults { fetched: both(), ..FetchResults::default() }, no_text);
        assert_eq!((partial.state, partial.text), (State::Partial, None));
        let results = FetchResults { fetched: both(), errors: vec![error(Kind::Video, 1)], ..FetchResults::default() };
        assert_eq!(merged(None, &two_images(), results, KindFilter::ALL).state, State::Incomplete);
        let failed = task(json!({"status": "FAILURE", "err_reason": "flagged"}));
        let failed = merged(None, &failed, FetchResults::default(), KindFilter::ALL);
        assert_eq!((failed.state, failed.err_reason.as_deref()), (State::Failed, Some("flagged")));
    }

    #[test]
    fn smaller_response_removes_nothing() {
        let mut known = entry("t");
        known.files = vec![file(Kind::Image, 1, "image-1.png"), file(Kind::Image, 2, "image-2.png")];
        known.text = Some("la".to_owned());
        known.text_path = Some("text.txt".to_owned());
        known.meta = json!({"prompt": "x"}).as_object().cloned();
        known.response = ApiResponse::from_value(&json!({"fuller": true}));
        let less = task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1"]}}));
        assert!(is_less_complete(&less, &known));
        let results = FetchResults { kept: known.files.clone(), ..FetchResults::default() };
        let mut after = merged(Some(&known), &less, results, KindFilter::ALL);
        assert!(after.eq_ignoring_archived_at(&known), "{after:?}");
    }

    #[test]
    fn failed_replacement_keeps_the_old_file_and_adds_no_error() {
        let mut known = entry("t");
        known.files = vec![file(Kind::Image, 1, "image-1.png")];
        let results = FetchResults { kept: known.files.clone(), errors: vec![error(Kind::Image, 1)], ..FetchResults::default() };
        let one = task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1"]}}));
        let after = merged(Some(&known), &one, results, KindFilter::ALL);
        assert_eq!((after.state, after.files.len(), after.errors.len()), (State::Complete, 1, 0));
    }

    #[test]
    fn old_error_is_removed_only_when_its_asset_was_retried() {
        let mut known = entry("t");
        known.errors = vec![error(Kind::Video, 1), error(Kind::Image, 2)];
        let images_only = KindFilter { video: false, audio: false, file: false, text: false, image: true };
        let results =
            FetchResults { fetched: vec![file(Kind::Image, 1, "a"), file(Kind::Image, 2, "b")], ..FetchResults::default() };
        let after = merged(Some(&known), &two_images(), results, images_only);
        assert_eq!(after.errors, [error(Kind::Video, 1)]);
        assert_eq!(after.state, State::Incomplete);
    }

    #[test]
    fn playlist_is_kept_and_its_task_is_incomplete() {
        let one = task(json!({"status": "SUCCESS", "task_result": {"videos": ["http://h/1.m3u8"]}}));
        let results = || FetchResults { fetched: vec![file(Kind::Video, 1, "video-1.m3u8")], ..FetchResults::default() };
        let first = merged(None, &one, results(), KindFilter::ALL);
        assert_eq!((first.state, first.files.len(), first.errors.len()), (State::Incomplete, 1, 1));
        assert!(first.errors[0].error.contains("playlist"));
        assert_eq!(first.errors[0].code(), Some(AssetErrorCode::RefusedContent));
        let again = FetchResults { kept: first.files.clone(), ..FetchResults::default() };
        assert!(merged(Some(&first), &one, again, KindFilter::ALL).eq_ignoring_archived_at(&first));
    }
}
