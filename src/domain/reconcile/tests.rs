//! Tests of single cases, and of random entries.

use fastrand::Rng;
use serde_json::json;

use super::*;
use crate::domain::code::AssetErrorCode;
use crate::domain::manifest::ApiResponse;
use crate::domain::manifest::tests::entry;
use crate::integrity::digest::Sha256Hex;

const KEYS: [AssetKey; 4] = [
    AssetKey { kind: Kind::Video, index: 1 },
    AssetKey { kind: Kind::Image, index: 1 },
    AssetKey { kind: Kind::Image, index: 2 },
    AssetKey { kind: Kind::Audio, index: 1 },
];

/// A file of `KEYS[key]` with the bytes of `variant`.
fn file(key: usize, variant: u8) -> FileEntry {
    FileEntry::new(KEYS[key], &format!("{}-{}.x", KEYS[key].kind, KEYS[key].index), 1, Sha256Hex::digest(&[variant]))
}

fn error(key: usize, code: AssetErrorCode) -> AssetError {
    AssetError::new(KEYS[key], None, code, None, "no".to_owned())
}

fn task(state: State, files: Vec<FileEntry>, errors: Vec<AssetError>) -> TaskEntry {
    TaskEntry { state, files, errors, ..entry("t") }
}

fn complete(files: Vec<FileEntry>) -> TaskEntry {
    task(State::Complete, files, Vec::new())
}

#[test]
fn unchanged_manifest_is_replaced_by_mine() {
    let (base, mine) = (complete(vec![file(0, 0)]), complete(vec![file(0, 1)]));
    assert_eq!(reconcile(Some(&base), Some(&base), mine.clone(), false), mine);
    assert_eq!(reconcile(Some(&base), None, mine.clone(), false), mine, "it is gone or cut");
}

#[test]
fn files_are_united_and_what_stands_wins_unless_the_run_replaces() {
    let base = complete(vec![file(0, 0), file(1, 0)]);
    let standing = complete(vec![file(0, 1), file(1, 1), file(2, 0)]);
    let mine = complete(vec![file(0, 0), file(1, 2), file(3, 0)]);
    for (replaces, second) in [(false, 1), (true, 2)] {
        let files = reconcile(Some(&base), Some(&standing), mine.clone(), replaces).files;
        assert_eq!(files, [file(0, 1), file(1, second), file(2, 0), file(3, 0)], "{replaces}");
    }
}

#[test]
fn errors_stay_until_a_file_comes_or_one_writer_solved_them() {
    use AssetErrorCode::{DeadLink, Timeout};
    let base = task(State::Incomplete, vec![], vec![error(0, DeadLink), error(1, DeadLink), error(2, DeadLink)]);
    let standing = task(State::Incomplete, vec![file(0, 0)], vec![error(1, DeadLink), error(2, DeadLink)]);
    // The second was solved by a file whose kind the error did not know.
    let mine = task(State::Incomplete, vec![file(3, 0)], vec![error(0, DeadLink), error(2, Timeout)]);
    let after = reconcile(Some(&base), Some(&standing), mine, false);
    assert_eq!((after.errors, after.state), (vec![error(2, Timeout)], State::Incomplete));
    let mine = task(State::Incomplete, vec![file(2, 0), file(3, 0)], vec![error(0, DeadLink)]);
    let after = reconcile(Some(&base), Some(&standing), mine, false);
    assert_eq!((after.errors, after.state), (vec![], State::Partial), "nobody knows that all is here");
}

#[test]
fn state_is_complete_when_the_answer_names_nothing_else() {
    let answer = json!({"status": "SUCCESS", "task_result": {"videos": ["http://h/1"], "images": ["http://h/2"]}});
    let with_answer =
        |state, files, errors| TaskEntry { response: ApiResponse::from_value(&answer), ..task(state, files, errors) };
    let dead = |key| vec![error(key, AssetErrorCode::DeadLink)];
    let standing = with_answer(State::Incomplete, vec![file(0, 0)], dead(1));
    let mine = with_answer(State::Incomplete, vec![file(1, 0)], dead(0));
    assert_eq!(reconcile(None, Some(&standing), mine.clone(), false).state, State::Complete);
    let failed = task(State::Failed, vec![], vec![]);
    assert_eq!(reconcile(None, Some(&failed), mine.clone(), false).state, State::Incomplete);
    assert_eq!(reconcile(None, Some(&failed), mine.clone(), false).response, mine.response);
    let partial = with_answer(State::Partial, vec![file(0, 0)], vec![]);
    assert_eq!(reconcile(None, Some(&partial), failed.clone(), true), partial, "a later answer removes nothing");
    assert_eq!(reconcile(None, Some(&failed), TaskEntry { meta: None, ..failed.clone() }, false).state, State::Failed);
}

#[test]
fn playlist_keeps_its_error() {
    let mut playlist = file(0, 0);
    playlist.detected_type = Some("application/vnd.apple.mpegurl".to_owned());
    let standing = task(State::Incomplete, vec![playlist.clone()], vec![playlist_error(&playlist).unwrap()]);
    let after = reconcile(None, Some(&standing), complete(vec![file(1, 0)]), false);
    assert_eq!((after.errors.len(), after.state), (1, State::Incomplete));
}

#[test]
fn meta_of_this_run_is_recorded_and_texts_and_unknown_fields_stay() {
    let with = |fields: serde_json::Value| -> TaskEntry {
        let mut task = json!({"task_id": "t", "state": "complete"});
        task.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_str(&task.to_string()).unwrap()
    };
    let base = with(json!({"meta": {"n": 0}, "rating": 5}));
    let standing = with(json!({"meta": {"n": 1}, "text": "la", "text_path": "text.txt", "platform": "kling"}));
    let mine = with(json!({"meta": {"n": 2}, "rating": 5}));
    let after = reconcile(Some(&base), Some(&standing), mine, false);
    let expected = json!({"meta": {"n": 2}, "text": "la", "text_path": "text.txt", "platform": "kling", "rating": 5});
    assert_eq!(after, with(expected));
    let unchanged = reconcile(Some(&base), Some(&standing), base.clone(), true);
    assert_eq!((unchanged.meta, unchanged.text), (standing.meta, standing.text));
}

#[test]
fn complete_task_with_a_fuller_answer_that_left_kinds_out_is_partial() {
    let answered = |state, files, images: &[&str]| {
        let answer = json!({"status": "SUCCESS", "task_result": {"videos": ["http://h/v"], "images": images}});
        TaskEntry { response: ApiResponse::from_value(&answer), ..task(state, files, Vec::new()) }
    };
    let complete = answered(State::Complete, vec![file(0, 0), file(1, 0)], &["http://h/1"]);
    let fuller = answered(State::Partial, vec![file(0, 0)], &["http://h/1", "http://h/2"]);
    for (standing, mine) in [(&complete, &fuller), (&fuller, &complete)] {
        let after = reconcile(None, Some(standing), mine.clone(), false);
        assert_eq!((after.state, after.files.len()), (State::Partial, 2), "the second image is not here");
    }
    let both = answered(State::Partial, vec![file(2, 0)], &["http://h/1", "http://h/2"]);
    assert_eq!(reconcile(None, Some(&complete), both, false).state, State::Complete, "now it is");
}

/// An entry that a writer could make of `base`: it has all that was there.
fn grown(random: &mut Rng, base: Option<&TaskEntry>) -> TaskEntry {
    let mut task = base.cloned().unwrap_or_else(|| complete(Vec::new()));
    for key in [0, 1, 2, 3] {
        if random.u8(0..3) == 0 {
            continue;
        }
        task.files.retain(|file| file.key() != KEYS[key] || random.bool());
        let is_here = |task: &TaskEntry| task.files.iter().any(|file| file.key() == KEYS[key]);
        let was_here = base.is_some_and(is_here);
        if !is_here(&task) && (was_here || random.bool()) {
            task.files.push(file(key, random.u8(0..3)));
        }
        task.errors.retain(|error| error.key() != KEYS[key]);
        if !is_here(&task) {
            task.errors.push(error(key, if random.bool() { AssetErrorCode::Timeout } else { AssetErrorCode::DeadLink }));
        }
    }
    if random.bool() {
        task.text = Some(format!("{}", random.u8(0..3)));
    }
    if random.u8(0..3) == 0 {
        task.meta = json!({"n": random.u8(0..3)}).as_object().cloned();
    }
    task.status = Some(format!("{}", random.u8(0..3)));
    task.archived_at = Some(format!("2026-11-30T00:00:0{}Z", random.u8(0..3)));
    task.state = match task.errors.is_empty() {
        _ if random.u8(0..9) == 0 => State::Failed,
        true => *random.choice(&[State::Complete, State::Partial]).unwrap(),
        false => State::Incomplete,
    };
    task.sort();
    task
}

#[test]
fn random_entries_lose_nothing_and_a_second_time_changes_nothing() {
    let mut random = Rng::with_seed(18);
    for round in 0..5000 {
        let base = random.bool().then(|| grown(&mut random, None));
        let (standing, mine, replaces) = (grown(&mut random, base.as_ref()), grown(&mut random, base.as_ref()), random.bool());
        let after = reconcile(base.as_ref(), Some(&standing), mine.clone(), replaces);
        let keys = |task: &TaskEntry| task.files.iter().map(FileEntry::key).collect::<HashSet<_>>();
        assert_eq!(keys(&after), &keys(&standing) | &keys(&mine), "{round}");
        assert!(after.files.iter().all(|file| standing.files.contains(file) || mine.files.contains(file)), "{round}");
        assert!(after.text.is_some() || (standing.text.is_none() && mine.text.is_none()), "{round}");
        assert!(after.meta.is_some() || (standing.meta.is_none() && mine.meta.is_none()), "{round}");
        assert!(after.errors.iter().all(|error| !keys(&after).contains(&error.key())), "{round}");
        let has_errors = !after.errors.is_empty();
        assert!(after.state == State::Failed || has_errors == (after.state == State::Incomplete), "{round} {after:?}");
        assert_eq!(reconcile(base.as_ref(), Some(&after), mine, replaces), after, "{round}");
    }
}
