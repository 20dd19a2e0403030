//! Decides what to do with each asset, from the answer, the manifest and the files on disk.
//!
//! The decisions are pure and made before any download: `--dry-run` prints them, the main job executes them. A complete file is
//! kept. Only `--force` downloads it again, and the old file stays until the new one is complete.

use std::collections::HashSet;

use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::task::Task;
use crate::layout::FileStems;

/// What to archive of a task: the kinds that `--only` selects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KindFilter {
    /// Whether to archive videos.
    pub video: bool,
    /// Whether to archive images.
    pub image: bool,
    /// Whether to archive audio.
    pub audio: bool,
    /// Whether to archive files of other kinds.
    pub file: bool,
    /// Whether to archive the text result.
    pub text: bool,
}

impl KindFilter {
    /// Everything: the default, without `--only`.
    pub const ALL: Self = Self { video: true, image: true, audio: true, file: true, text: true };

    /// Whether assets of `kind` are selected.
    #[must_use]
    pub(crate) fn includes(self, kind: Kind) -> bool {
        match kind {
            Kind::Video => self.video,
            Kind::Image => self.image,
            Kind::Audio => self.audio,
            Kind::File => self.file,
        }
    }

    /// Whether an asset may be selected. An asset of unknown kind may be, when any kind of media is.
    #[must_use]
    fn may_include(self, kind: Option<Kind>) -> bool {
        kind.map_or_else(|| Kind::ALL.into_iter().any(|kind| self.includes(kind)), |kind| self.includes(kind))
    }
}

/// What to do with an asset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Download the asset.
    Fetch,
    /// Keep the file: it is complete.
    Keep,
    /// Leave the asset out: its kind is not selected.
    Skip,
}

/// An asset and its action.
#[derive(Debug)]
pub(crate) struct PlannedAsset<'a> {
    /// The asset.
    pub asset: &'a Asset,
    /// The action.
    pub action: Action,
    /// The reason for the action, for people.
    pub reason: &'static str,
}

/// The action for each asset of `task`. `recorded` are the manifest's files, `present` those that are complete on disk.
#[must_use]
pub(crate) fn plan<'a>(
    task: &'a Task,
    recorded: &[FileEntry],
    present: &[FileEntry],
    wanted: KindFilter,
    force: bool,
) -> Vec<PlannedAsset<'a>> {
    let (recorded, present) = (keys(recorded), keys(present));
    let decide = |asset: &Asset| {
        let (is_wanted, is_present) = (wanted.may_include(asset.kind), asset.selector().matches_any(&present));
        if is_present && !(force && is_wanted) {
            (Action::Keep, "already saved")
        } else if !is_wanted {
            (Action::Skip, "excluded by --only")
        } else if is_present {
            (Action::Fetch, "forced by --force")
        } else if asset.selector().matches_any(&recorded) {
            (Action::Fetch, "missing on disk, or of another size")
        } else {
            (Action::Fetch, "new")
        }
    };
    task.assets
        .iter()
        .map(|asset| {
            let (action, reason) = decide(asset);
            PlannedAsset { asset, action, reason }
        })
        .collect()
}

/// The names of the task's files. Those of the `recorded` and `present` ones stay.
#[must_use]
pub(crate) fn file_stems(task: &Task, recorded: &[FileEntry], present: &[FileEntry]) -> FileStems {
    let names = recorded.iter().chain(present).filter_map(|file| Some((file.key(), file.name()?)));
    FileStems::new(names, task.assets.iter().map(|asset| (asset.key(None).kind, asset.count)))
}

fn keys(files: &[FileEntry]) -> HashSet<AssetKey> {
    files.iter().map(FileEntry::key).collect()
}

/// Whether a recorded task needs no download for what is `wanted` now. All its files are on disk.
#[must_use]
pub(crate) fn is_up_to_date(entry: &TaskEntry, wanted: KindFilter) -> bool {
    match entry.state {
        State::Complete => true,
        State::Incomplete | State::Failed => false,
        State::Partial => recorded_task(entry).is_some_and(|task| has_everything_wanted(entry, &task, wanted, |_| false)),
    }
}

/// Whether another try would not help a recorded task: it failed, or it lacks nothing of what is `wanted` now but assets with
/// dead links. All its files are on disk.
#[must_use]
pub(crate) fn is_permanent_failure(entry: &TaskEntry, wanted: KindFilter) -> bool {
    match entry.state {
        State::Complete | State::Partial => false,
        State::Failed => true,
        State::Incomplete => {
            let failed = entry.errors.iter().map(AssetError::key).collect();
            let has_failed = |asset: &Asset| asset.selector().matches_any(&failed);
            let is_dead = |error: &AssetError| error.code() == Some(AssetErrorCode::DeadLink);
            !entry.errors.is_empty()
                && entry.errors.iter().all(is_dead)
                // Kinds that an earlier run left out may still be available.
                && recorded_task(entry).is_none_or(|task| has_everything_wanted(entry, &task, wanted, has_failed))
        }
    }
}

/// The answer that the entry was made from, if the entry still has it.
fn recorded_task(entry: &TaskEntry) -> Option<Task> {
    Task::from_response(entry.response.as_ref()?).ok()
}

/// Whether the entry has everything that is `wanted` of the task, except for assets that are `excused`.
fn has_everything_wanted(entry: &TaskEntry, task: &Task, wanted: KindFilter, excused: impl Fn(&Asset) -> bool) -> bool {
    let has_text = !wanted.text || task.text.is_none() || entry.text.is_some();
    let planned = plan(task, &entry.files, &entry.files, wanted, false);
    has_text && planned.iter().all(|item| item.action != Action::Fetch || excused(item.asset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::asset_key::AssetKey;
    use crate::domain::manifest::tests::{entry, file_entry};
    use serde_json::json;

    const ANSWER: &str =
        r#"{"status":"SUCCESS","task_result":{"videos":["http://h/v"],"images":["http://h/1","http://h/2"],"text":"la"}}"#;

    fn task(answer: &str) -> Task {
        Task::from_response(&serde_json::from_str(answer).unwrap()).unwrap()
    }

    fn files(keys: &[(Kind, usize)]) -> Vec<FileEntry> {
        keys.iter().map(|&(kind, index)| file_entry(kind, index, "x")).collect()
    }

    fn only(kind: Kind) -> KindFilter {
        KindFilter {
            video: kind == Kind::Video,
            image: kind == Kind::Image,
            audio: kind == Kind::Audio,
            file: kind == Kind::File,
            text: false,
        }
    }

    fn actions(
        task: &Task,
        recorded: &[FileEntry],
        present: &[FileEntry],
        wanted: KindFilter,
        force: bool,
    ) -> Vec<(Action, &'static str)> {
        plan(task, recorded, present, wanted, force).iter().map(|item| (item.action, item.reason)).collect()
    }

    #[test]
    fn only_what_is_missing_is_fetched() {
        let recorded = files(&[(Kind::Video, 1), (Kind::Image, 2)]);
        assert_eq!(
            actions(&task(ANSWER), &recorded, &recorded[..1], KindFilter::ALL, false),
            [(Action::Keep, "already saved"), (Action::Fetch, "new"), (Action::Fetch, "missing on disk, or of another size")]
        );
        assert_eq!(actions(&task(ANSWER), &recorded, &recorded, KindFilter::ALL, true)[0], (Action::Fetch, "forced by --force"));
    }

    #[test]
    fn unwanted_kinds_are_left_out_unless_already_here() {
        let planned = actions(&task(ANSWER), &[], &[], only(Kind::Video), false);
        assert_eq!(planned, [(Action::Fetch, "new"), (Action::Skip, "excluded by --only"), (Action::Skip, "excluded by --only")]);
        let image = files(&[(Kind::Image, 1)]);
        let planned = actions(&task(ANSWER), &image, &image, only(Kind::Video), true);
        assert_eq!(planned[1], (Action::Keep, "already saved"), "a saved file is never left out");
    }

    #[test]
    fn single_url_of_unknown_kind_is_matched_by_its_file() {
        let lone = task(r#"{"status":"SUCCESS","task_result":{"url":"http://h/x"}}"#);
        assert_eq!(actions(&lone, &[], &files(&[(Kind::Audio, 1)]), KindFilter::ALL, false), [(Action::Keep, "already saved")]);
        assert_eq!(actions(&lone, &[], &[], only(Kind::Audio), false), [(Action::Fetch, "new")]);
        let text_alone = KindFilter { text: true, ..only(Kind::Audio) };
        assert_eq!(
            actions(&lone, &[], &[], KindFilter { audio: false, ..text_alone }, false),
            [(Action::Skip, "excluded by --only")]
        );
    }

    #[test]
    fn partial_task_is_settled_for_the_kinds_it_has() {
        let mut recorded = entry("t");
        recorded.state = State::Partial;
        recorded.files = files(&[(Kind::Video, 1)]);
        recorded.response = serde_json::from_str(ANSWER).ok();
        assert!(is_up_to_date(&recorded, only(Kind::Video)));
        assert!(is_up_to_date(&recorded, only(Kind::Audio)), "the answer names no audio");
        assert!(!is_up_to_date(&recorded, only(Kind::Image)));
        assert!(!is_up_to_date(&recorded, KindFilter { text: true, ..only(Kind::Video) }));
        assert!(!is_up_to_date(&recorded, KindFilter::ALL));
        recorded.response = None;
        assert!(!is_up_to_date(&recorded, only(Kind::Video)), "without the answer, its assets are unknown");
    }

    #[test]
    fn only_failed_tasks_or_dead_links_are_given_up() {
        let error = |error: &str| json!({"kind": "image", "index": 1, "error": error});
        let coded = |code: &str| json!({"kind": "image", "index": 1, "code": code, "error": "HTTP 404 Not Found"});
        let dead = || error("HTTP 404 Not Found");
        for (state, errors, given_up) in [
            ("failed", vec![], true),
            ("complete", vec![], false),
            ("partial", vec![], false),
            ("complete", vec![dead()], false),
            ("incomplete", vec![], false),
            ("incomplete", vec![dead()], true),
            ("incomplete", vec![error("HTTP 401 Unauthorized"), error("HTTP 403 Forbidden"), error("HTTP 410 Gone")], true),
            ("incomplete", vec![dead(), error("HTTP 500 Internal Server Error")], false),
            ("incomplete", vec![error("HTTP 429 Too Many Requests")], false),
            ("incomplete", vec![error("the body broke off; before that HTTP 404 Not Found")], false),
            ("incomplete", vec![coded("dead_link")], true),
            ("incomplete", vec![coded("dead_link"), coded("timeout")], false),
            ("incomplete", vec![coded("code_of_a_newer_version")], false),
        ] {
            let case = format!("{state} {errors:?}");
            let recorded: TaskEntry = serde_json::from_value(json!({"task_id": "t", "state": state, "errors": errors})).unwrap();
            assert_eq!(is_permanent_failure(&recorded, KindFilter::ALL), given_up, "{case}");
        }
    }

    #[test]
    fn kinds_left_out_before_are_not_given_up() {
        let mut recorded = entry("t");
        recorded.state = State::Incomplete;
        recorded.files = files(&[(Kind::Image, 2)]);
        recorded.errors = vec![AssetError::new(
            AssetKey { kind: Kind::Image, index: 1 },
            None,
            AssetErrorCode::DeadLink,
            Some(410),
            "HTTP 410 Gone".to_owned(),
        )];
        recorded.response = serde_json::from_str(ANSWER).ok();
        for (wanted, given_up) in [
            (only(Kind::Image), true),
            (only(Kind::Audio), true),
            (only(Kind::Video), false),
            (KindFilter { text: true, ..only(Kind::Image) }, false),
            (KindFilter::ALL, false),
        ] {
            assert_eq!(is_permanent_failure(&recorded, wanted), given_up, "{wanted:?}");
        }
    }

    #[test]
    fn complete_tasks_are_settled_and_incomplete_or_failed_are_not() {
        for (state, settled) in [("complete", true), ("incomplete", false), ("failed", false)] {
            let recorded: TaskEntry = serde_json::from_value(json!({"task_id": "t", "state": state})).unwrap();
            assert_eq!(is_up_to_date(&recorded, only(Kind::Video)), settled);
        }
    }
}
