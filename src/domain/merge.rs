//! What a task's manifest says after a run: what it said before, the answer, and what came of it.
//!
//! The rule is that the archive keeps what it has. A later answer that names less, a download that
//! failed, a kind left out: none of them takes a file, its entry, the text or `meta` away.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, AssetSelector};
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::plan::KindFilter;
use crate::domain::task::{Task, TaskPhase};
use crate::layout;

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct FetchResults {
    /// Files that were already here.
    pub kept: Vec<FileEntry>,
    /// Files that came in this run; they replace those of their slot.
    pub fetched: Vec<FileEntry>,
    /// Assets that could not be had.
    pub errors: Vec<AssetError>,
    /// Which assets it was tried to fetch: what was wrong with them before is settled now.
    pub attempted: HashSet<AssetSelector>,
    /// Whether some asset turned out, or was known, not to be asked for.
    pub has_skipped: bool,
}

/// Whether the answer lacks something that the archive has from an earlier one.
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
    let here = merge_files(results.kept, results.fetched);
    let slots: HashSet<AssetKey> = here.iter().map(FileEntry::key).collect();
    let is_here = |slot: AssetKey| slots.contains(&slot);
    let still_missing = known
        .iter()
        .flat_map(|known| &known.errors)
        .filter(|old| !is_here(old.key()) && !old.key().is_selected(&results.attempted));
    let errors: Vec<AssetError> = still_missing
        .cloned()
        .chain(results.errors.into_iter().filter(|error| !is_here(error.key())))
        .chain(here.iter().filter_map(playlist_error))
        .collect();
    // What is lost or damaged and could not be had again keeps its entry: that is how anybody knows of it.
    let files = merge_files(known.map(|known| known.files.clone()).unwrap_or_default(), here);

    let is_less = known.is_some_and(|known| is_less_complete(&task, known));
    let old_text = || known.and_then(|known| known.text.clone());
    let has_text = task.text.is_some();
    let text = task.text.filter(|_| wanted.text).or_else(old_text);
    let left_out = results.has_skipped || (has_text && text.is_none());
    let state = if task.phase == TaskPhase::Failed {
        State::Failed
    } else if !errors.is_empty() {
        State::Incomplete
    } else if left_out {
        State::Partial
    } else {
        State::Complete
    };
    let archived_at = Timestamp::from_second(now.as_second()).unwrap_or(now).to_string();
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let mut entry = TaskEntry {
        task_id: id.to_owned(),
        state,
        status: task.status,
        progress: task.progress,
        message: task.message,
        err_reason: task.err_reason,
        submit_time: time(task.submit_time),
        finish_time: time(task.finish_time),
        archived_at: Some(archived_at.clone()),
        text_path: text.as_ref().map(|_| layout::TEXT.to_owned()),
        text,
        meta: known.and_then(|known| known.meta.clone()),
        files,
        errors,
        response: Some(task.response),
        unknown: known.map(|known| known.unknown.clone()).unwrap_or_default(),
        unknown_manifest_fields: known.map(|known| known.unknown_manifest_fields.clone()).unwrap_or_default(),
    };
    if let Some(fuller) = known.filter(|_| is_less).cloned() {
        // The fuller answer stays the one that the entry is read against.
        let TaskEntry { text, text_path, files, errors, .. } = entry;
        entry = TaskEntry { state, text, text_path, files, errors, ..fuller };
        entry.archived_at = Some(archived_at);
    }
    entry.sort();
    entry
}

fn merge_files(kept: Vec<FileEntry>, mut fetched: Vec<FileEntry>) -> Vec<FileEntry> {
    let kept_by_slot: HashMap<AssetKey, &FileEntry> = kept.iter().map(|file| (file.key(), file)).collect();
    for file in &mut fetched {
        // What another version says of these bytes is still true.
        if let Some(before) = kept_by_slot.get(&file.key()).filter(|before| before.sha256() == file.sha256()) {
            file.unknown.clone_from(&before.unknown);
        }
    }
    let replaced: HashSet<AssetKey> = fetched.iter().map(FileEntry::key).collect();
    kept.into_iter().filter(|file| !replaced.contains(&file.key())).chain(fetched).collect()
}

/// A playlist is kept, but the media that it lists are not here.
fn playlist_error(file: &FileEntry) -> Option<AssetError> {
    file.is_playlist().then(|| {
        AssetError::new(
            file.key(),
            file.url.clone(),
            AssetErrorCode::RefusedContent,
            None,
            "an HLS playlist: it is kept, but the media that it lists are not here".to_owned(),
        )
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

    fn recorded(known: Option<&TaskEntry>, task: &Task, results: FetchResults, wanted: KindFilter) -> TaskEntry {
        merge("t", known, task.clone(), results, wanted, Timestamp::UNIX_EPOCH)
    }

    fn two_images() -> Task {
        task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1", "http://h/2"], "text": "la"}}))
    }

    #[test]
    fn state_follows_from_the_assets_present() {
        let both = || vec![file(Kind::Image, 2, "image-2.png"), file(Kind::Image, 1, "image-1.png")];
        let complete =
            recorded(None, &two_images(), FetchResults { fetched: both(), ..FetchResults::default() }, KindFilter::ALL);
        assert_eq!(
            (complete.state, complete.text.as_deref(), complete.text_path.as_deref()),
            (State::Complete, Some("la"), Some("text.txt"))
        );
        let no_text = KindFilter { text: false, ..KindFilter::ALL };
        let partial = recorded(None, &two_images(), FetchResults { fetched: both(), ..FetchResults::default() }, no_text);
        assert_eq!((partial.state, partial.text), (State::Partial, None));
        let results = FetchResults { fetched: both(), errors: vec![error(Kind::Video, 1)], ..FetchResults::default() };
        assert_eq!(recorded(None, &two_images(), results, KindFilter::ALL).state, State::Incomplete);
        let failed = task(json!({"status": "FAILURE", "err_reason": "flagged"}));
        let failed = recorded(None, &failed, FetchResults::default(), KindFilter::ALL);
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
        let mut after = recorded(Some(&known), &less, results, KindFilter::ALL);
        assert!(after.eq_ignoring_archived_at(&known), "{after:?}");
    }

    #[test]
    fn failed_replacement_keeps_the_old_file_and_adds_no_error() {
        let mut known = entry("t");
        known.files = vec![file(Kind::Image, 1, "image-1.png")];
        let results = FetchResults { kept: known.files.clone(), errors: vec![error(Kind::Image, 1)], ..FetchResults::default() };
        let one = task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1"]}}));
        let after = recorded(Some(&known), &one, results, KindFilter::ALL);
        assert_eq!((after.state, after.files.len(), after.errors.len()), (State::Complete, 1, 0));
    }

    #[test]
    fn old_error_is_removed_only_when_its_asset_was_retried() {
        let mut known = entry("t");
        known.errors = vec![error(Kind::Video, 1), error(Kind::Image, 2)];
        let images_only = KindFilter { video: false, audio: false, text: false, image: true };
        let results =
            FetchResults { fetched: vec![file(Kind::Image, 1, "a"), file(Kind::Image, 2, "b")], ..FetchResults::default() };
        let after = recorded(Some(&known), &two_images(), results, images_only);
        assert_eq!(after.errors, [error(Kind::Video, 1)]);
        assert_eq!(after.state, State::Incomplete);
    }

    #[test]
    fn playlist_is_kept_and_its_task_is_incomplete() {
        let one = task(json!({"status": "SUCCESS", "task_result": {"videos": ["http://h/1.m3u8"]}}));
        let results = || FetchResults { fetched: vec![file(Kind::Video, 1, "video-1.m3u8")], ..FetchResults::default() };
        let first = recorded(None, &one, results(), KindFilter::ALL);
        assert_eq!((first.state, first.files.len(), first.errors.len()), (State::Incomplete, 1, 1));
        assert!(first.errors[0].error.contains("playlist"));
        assert_eq!(first.errors[0].code(), Some(AssetErrorCode::RefusedContent));
        let again = FetchResults { kept: first.files.clone(), ..FetchResults::default() };
        assert!(recorded(Some(&first), &one, again, KindFilter::ALL).eq_ignoring_archived_at(&first));
    }
}
