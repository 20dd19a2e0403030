//! What a task's manifest says after a run: what it said before, the answer, and what came of it.
//!
//! The rule is that the archive keeps what it has. A later answer that names less, a download that
//! failed, a kind left out: none of them takes a file, its entry, the text or `meta` away.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use crate::kind::{Kind, Slot};
use crate::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::naming;
use crate::plan::Wanted;
use crate::task::{Stage, Task};

/// What came of a plan.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Files that were already here.
    pub kept: Vec<FileEntry>,
    /// Files that came in this run; they replace those of their slot.
    pub fetched: Vec<FileEntry>,
    /// Assets that could not be had.
    pub errors: Vec<AssetError>,
    /// Which assets it was tried to fetch: what was wrong with them before is settled now.
    pub tried: HashSet<(Option<Kind>, usize)>,
    /// Whether some asset turned out, or was known, not to be asked for.
    pub left_out: bool,
}

/// Whether the answer lacks something that the archive has from an earlier one.
#[must_use]
pub(crate) fn names_less(task: &Task, known: &TaskEntry) -> bool {
    let named = task.assets.iter().map(|asset| (asset.kind, asset.index)).collect();
    (known.text.is_some() && task.text.is_none()) || known.files.iter().any(|file| !may_be_among(file.slot(), &named))
}

/// Whether `slot` is among assets, whose kinds may not be known.
fn may_be_among(slot: Slot, assets: &HashSet<(Option<Kind>, usize)>) -> bool {
    [Some(slot.kind), None].iter().any(|kind| assets.contains(&(*kind, slot.index)))
}

/// The task's new entry.
#[must_use]
pub(crate) fn record(
    id: &str,
    known: Option<&TaskEntry>,
    task: Task,
    results: Results,
    wanted: Wanted,
    now: Timestamp,
) -> TaskEntry {
    let here = merged(results.kept, results.fetched);
    let slots: HashSet<Slot> = here.iter().map(FileEntry::slot).collect();
    let is_here = |slot: Slot| slots.contains(&slot);
    let was_tried = |slot: Slot| may_be_among(slot, &results.tried);
    let still_missing = known.iter().flat_map(|known| &known.errors).filter(|old| !is_here(old.slot()) && !was_tried(old.slot()));
    let errors: Vec<AssetError> = still_missing
        .cloned()
        .chain(results.errors.into_iter().filter(|error| !is_here(error.slot())))
        .chain(here.iter().filter_map(playlist))
        .collect();
    // What is lost or damaged and could not be had again keeps its entry: that is how anybody knows of it.
    let files = merged(known.map(|known| known.files.clone()).unwrap_or_default(), here);

    let is_less = known.is_some_and(|known| names_less(&task, known));
    let old_text = || known.and_then(|known| known.text.clone());
    let has_text = task.text.is_some();
    let text = task.text.filter(|_| wanted.text).or_else(old_text);
    let left_out = results.left_out || (has_text && text.is_none());
    let state = match () {
        () if task.stage == Stage::Failed => State::Failed,
        () if !errors.is_empty() => State::Incomplete,
        () if left_out => State::Partial,
        () => State::Complete,
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
        text_path: text.as_ref().map(|_| naming::TEXT.to_owned()),
        text,
        meta: known.and_then(|known| known.meta.clone()),
        files,
        errors,
        response: Some(task.response),
        unknown: known.map(|known| known.unknown.clone()).unwrap_or_default(),
        beside: known.map(|known| known.beside.clone()).unwrap_or_default(),
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

fn merged(kept: Vec<FileEntry>, mut fetched: Vec<FileEntry>) -> Vec<FileEntry> {
    let kept_by_slot: HashMap<Slot, &FileEntry> = kept.iter().map(|file| (file.slot(), file)).collect();
    for file in &mut fetched {
        // What another version says of these bytes is still true.
        if let Some(before) = kept_by_slot.get(&file.slot()).filter(|before| before.sha256() == file.sha256()) {
            file.unknown.clone_from(&before.unknown);
        }
    }
    let replaced: HashSet<Slot> = fetched.iter().map(FileEntry::slot).collect();
    kept.into_iter().filter(|file| !replaced.contains(&file.slot())).chain(fetched).collect()
}

/// A playlist is kept, but the media that it lists are not here.
fn playlist(file: &FileEntry) -> Option<AssetError> {
    file.is_playlist().then(|| {
        AssetError::of(
            file.slot(),
            file.url.clone(),
            "an HLS playlist: it is kept, but the media that it lists are not here".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Answer;
    use crate::manifest::tests::{Stub, entry};
    use serde_json::{Value, json};

    #[expect(clippy::needless_pass_by_value, reason = "a test writes the value in place")]
    fn task(answer: Value) -> Task {
        Task::recorded(&Answer::of(&answer).unwrap()).unwrap()
    }

    fn file(kind: Kind, index: usize, name: &'static str) -> FileEntry {
        FileEntry::of(Slot { kind, index }, &Stub(name, 1))
    }

    fn error(kind: Kind, index: usize) -> AssetError {
        AssetError::of(Slot { kind, index }, None, "HTTP 404 Not Found".to_owned())
    }

    fn recorded(known: Option<&TaskEntry>, task: &Task, results: Results, wanted: Wanted) -> TaskEntry {
        record("t", known, task.clone(), results, wanted, Timestamp::UNIX_EPOCH)
    }

    fn two_images() -> Task {
        task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1", "http://h/2"], "text": "la"}}))
    }

    #[test]
    fn the_state_tells_how_much_is_here() {
        let both = || vec![file(Kind::Image, 2, "image-2.png"), file(Kind::Image, 1, "image-1.png")];
        let complete = recorded(None, &two_images(), Results { fetched: both(), ..Results::default() }, Wanted::ALL);
        assert_eq!(
            (complete.state, complete.text.as_deref(), complete.text_path.as_deref()),
            (State::Complete, Some("la"), Some("text.txt"))
        );
        let no_text = Wanted { text: false, ..Wanted::ALL };
        let partial = recorded(None, &two_images(), Results { fetched: both(), ..Results::default() }, no_text);
        assert_eq!((partial.state, partial.text), (State::Partial, None));
        let results = Results { fetched: both(), errors: vec![error(Kind::Video, 1)], ..Results::default() };
        assert_eq!(recorded(None, &two_images(), results, Wanted::ALL).state, State::Incomplete);
        let failed = task(json!({"status": "FAILURE", "err_reason": "flagged"}));
        let failed = recorded(None, &failed, Results::default(), Wanted::ALL);
        assert_eq!((failed.state, failed.err_reason.as_deref()), (State::Failed, Some("flagged")));
    }

    #[test]
    fn an_answer_that_names_less_takes_nothing_away() {
        let mut known = entry("t");
        known.files = vec![file(Kind::Image, 1, "image-1.png"), file(Kind::Image, 2, "image-2.png")];
        known.text = Some("la".to_owned());
        known.text_path = Some("text.txt".to_owned());
        known.meta = json!({"prompt": "x"}).as_object().cloned();
        known.response = Answer::of(&json!({"fuller": true}));
        let less = task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1"]}}));
        assert!(names_less(&less, &known));
        let results = Results { kept: known.files.clone(), ..Results::default() };
        let mut after = recorded(Some(&known), &less, results, Wanted::ALL);
        assert!(after.says_the_same_as(&known), "{after:?}");
    }

    #[test]
    fn a_failed_replacement_leaves_the_old_file_and_no_error_entry() {
        let mut known = entry("t");
        known.files = vec![file(Kind::Image, 1, "image-1.png")];
        let results = Results { kept: known.files.clone(), errors: vec![error(Kind::Image, 1)], ..Results::default() };
        let one = task(json!({"status": "SUCCESS", "task_result": {"images": ["http://h/1"]}}));
        let after = recorded(Some(&known), &one, results, Wanted::ALL);
        assert_eq!((after.state, after.files.len(), after.errors.len()), (State::Complete, 1, 0));
    }

    #[test]
    fn an_old_error_goes_only_when_its_asset_was_tried_again() {
        let mut known = entry("t");
        known.errors = vec![error(Kind::Video, 1), error(Kind::Image, 2)];
        let images_only = Wanted { video: false, audio: false, text: false, image: true };
        let results = Results { fetched: vec![file(Kind::Image, 1, "a"), file(Kind::Image, 2, "b")], ..Results::default() };
        let after = recorded(Some(&known), &two_images(), results, images_only);
        assert_eq!(after.errors, [error(Kind::Video, 1)]);
        assert_eq!(after.state, State::Incomplete);
    }

    #[test]
    fn a_playlist_is_kept_and_its_task_is_incomplete() {
        let one = task(json!({"status": "SUCCESS", "task_result": {"videos": ["http://h/1.m3u8"]}}));
        let results = || Results { fetched: vec![file(Kind::Video, 1, "video-1.m3u8")], ..Results::default() };
        let first = recorded(None, &one, results(), Wanted::ALL);
        assert_eq!((first.state, first.files.len(), first.errors.len()), (State::Incomplete, 1, 1));
        assert!(first.errors[0].error.contains("playlist"));
        let again = Results { kept: first.files.clone(), ..Results::default() };
        assert!(recorded(Some(&first), &one, again, Wanted::ALL).says_the_same_as(&first));
    }
}
