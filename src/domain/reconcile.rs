//! Reconciles the entries of two writers that worked on the same task at the same time.
//!
//! `base` is what this run read, `mine` what it made of that, `standing` what another writer has put there meanwhile. What only
//! one of them changed is taken from that one. Where both changed the same, what stands wins, or `mine` if the run `replaces`.
//!
//! Invariants. Nothing is ever removed: each file of `standing` and of `mine` keeps an entry with its key, and a text and `meta`
//! stay. The entry of a file is taken as a whole, so that its path and its hash belong together. Reconciling the result again
//! changes nothing: a writer sees that it is done.

use std::collections::{BTreeMap, HashSet};

use crate::domain::asset::Asset;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::domain::manifest::{AssetError, FileEntry, State, TaskEntry};
use crate::domain::merge::playlist_error;
use crate::domain::task::Task;

/// The entry with what both writers have.
#[must_use]
pub(crate) fn reconcile(base: Option<&TaskEntry>, standing: Option<&TaskEntry>, mine: TaskEntry, replaces: bool) -> TaskEntry {
    let Some(standing) = standing.filter(|standing| base != Some(*standing)) else { return mine };
    let files = reconcile_files(base, standing, &mine, replaces);
    let errors = reconcile_errors(base, standing, &mine, &files, replaces);
    let (text, text_path) = reconcile_text(base, standing, &mine, replaces);
    let is_new_meta = mine.meta.is_some() && base.is_none_or(|base| base.meta != mine.meta);
    let meta = if is_new_meta { &mine.meta } else { &standing.meta };
    let meta = meta.clone().or_else(|| mine.meta.clone());
    let archived_at = standing.archived_at.clone().max(mine.archived_at.clone());
    let states = [standing.state, mine.state];
    let (unknown, unknown_manifest_fields) =
        (standing.unknown.or(&mine.unknown), standing.unknown_manifest_fields.or(&mine.unknown_manifest_fields));
    let (main, other) = match takes_my_answer(base, standing, &mine, replaces) {
        true => (mine, standing),
        false => (standing.clone(), &mine),
    };
    let main_state = main.state;
    let mut entry = TaskEntry {
        archived_at,
        text,
        text_path,
        meta,
        files,
        errors,
        unknown,
        unknown_manifest_fields,
        platform: main.platform.or_else(|| other.platform.clone()),
        model: main.model.or_else(|| other.model.clone()),
        ..main
    };
    entry.state = state(states, main_state, &entry);
    entry.sort();
    entry
}

/// The one that was changed; where both were, the one that wins.
fn choose<T: Copy + PartialEq>(base: Option<T>, standing: T, mine: T, replaces: bool) -> T {
    if base == Some(standing) || (replaces && base != Some(mine)) { mine } else { standing }
}

/// The text and its path, which belong together.
fn reconcile_text(
    base: Option<&TaskEntry>,
    standing: &TaskEntry,
    mine: &TaskEntry,
    replaces: bool,
) -> (Option<String>, Option<String>) {
    fn text(entry: &TaskEntry) -> Option<(&String, Option<&String>)> {
        entry.text.as_ref().map(|text| (text, entry.text_path.as_ref()))
    }
    let chosen = match (text(standing), text(mine)) {
        (Some(standing), Some(mine)) => Some(choose(base.and_then(text), standing, mine, replaces)),
        (standing, mine) => standing.or(mine),
    };
    chosen.map_or((None, None), |(text, path)| (Some(text.clone()), path.cloned()))
}

fn reconcile_files(base: Option<&TaskEntry>, standing: &TaskEntry, mine: &TaskEntry, replaces: bool) -> Vec<FileEntry> {
    fn by_key(entry: &TaskEntry) -> BTreeMap<AssetKey, &FileEntry> {
        entry.files.iter().map(|file| (file.key(), file)).collect()
    }
    let (base, mut files) = (base.map(by_key).unwrap_or_default(), by_key(standing));
    for (key, mine) in by_key(mine) {
        let chosen = files.get(&key).map_or(mine, |standing| choose(base.get(&key).copied(), standing, mine, replaces));
        files.insert(key, chosen);
    }
    files.into_values().cloned().collect()
}

/// The errors of both, without those that one of them solved, and those whose file is here by now.
fn reconcile_errors(
    base: Option<&TaskEntry>,
    standing: &TaskEntry,
    mine: &TaskEntry,
    files: &[FileEntry],
    replaces: bool,
) -> Vec<AssetError> {
    fn by_key(entry: &TaskEntry) -> BTreeMap<AssetKey, &AssetError> {
        entry.errors.iter().map(|error| (error.key(), error)).collect()
    }
    let (base, standing, mine) = (base.map(by_key).unwrap_or_default(), by_key(standing), by_key(mine));
    let keys = standing.keys().chain(mine.keys()).copied();
    let unsolved = keys.filter_map(|key| {
        let chosen = choose(Some(base.get(&key).copied()), standing.get(&key).copied(), mine.get(&key).copied(), replaces);
        Some((key, chosen?.clone()))
    });
    let mut errors: BTreeMap<AssetKey, AssetError> = unsolved.collect();
    for file in files {
        // A playlist is here, but its media are not.
        match playlist_error(file) {
            Some(error) => drop(errors.entry(file.key()).or_insert(error)),
            None => drop(errors.remove(&file.key())),
        }
    }
    errors.into_values().collect()
}

/// Whether the answer of `mine` is the one to keep: the fuller one, as for two runs one after the other.
fn takes_my_answer(base: Option<&TaskEntry>, standing: &TaskEntry, mine: &TaskEntry, replaces: bool) -> bool {
    fn fullness(entry: &TaskEntry) -> (bool, bool, usize) {
        let named = answer(entry).map_or(0, |task| task.assets.len() + usize::from(task.text.is_some()));
        (entry.state != State::Failed, entry.response.is_some(), named)
    }
    let is_new = base.is_none_or(|base| (&base.response, &base.status) != (&mine.response, &mine.status));
    let (standing, mine) = (fullness(standing), fullness(mine));
    mine > standing || (mine == standing && replaces && is_new)
}

/// The state of an entry that was made from entries of these states. `main` is that of the entry whose answer it has: what the
/// other one calls complete may lack an asset of a fuller answer.
fn state(states: [State; 2], main: State, entry: &TaskEntry) -> State {
    if states == [State::Failed; 2] {
        State::Failed
    } else if !entry.errors.is_empty() {
        State::Incomplete
    } else if main == State::Complete || has_all_assets(entry).unwrap_or_else(|| states.contains(&State::Complete)) {
        State::Complete
    } else {
        State::Partial
    }
}

/// The answer of an entry. One that can't be parsed says nothing.
fn answer(entry: &TaskEntry) -> Option<Task> {
    Task::from_response(entry.response.as_ref()?).ok()
}

/// Whether everything that the answer names is here. None when the answer says nothing.
fn has_all_assets(entry: &TaskEntry) -> Option<bool> {
    let task = answer(entry)?;
    let here: HashSet<AssetKey> = entry.files.iter().map(FileEntry::key).collect();
    let is_here = |asset: &Asset| {
        let selector = asset.selector();
        let kinds = selector.kind.map_or(Kind::ALL.to_vec(), |kind| vec![kind]);
        kinds.into_iter().any(|kind| here.contains(&AssetKey { kind, index: selector.index }))
    };
    Some(task.assets.iter().all(is_here) && (task.text.is_none() || entry.text.is_some()))
}

#[cfg(test)]
mod tests;
