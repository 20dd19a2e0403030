//! Which tasks and files of an archive a command works on, and in which order.
//!
//! A [`TaskFilter`] accepts or rejects a task; with kinds it also selects files within a task. A [`Selection`] adds the order.
//! A [`Selector`] applies a selection to tasks that are read one by one, and remembers which of the wanted ids it saw.
//!
//! Invariants: an empty filter accepts every task and keeps every file. The order is total: tasks that are equal by the sort key
//! are in the order of their ids, also when the order is reversed. Files keep the order of the manifest, kind and number.

use std::cmp::Ordering;
use std::collections::HashSet;

use indexmap::IndexSet;
use jiff::Timestamp;
use unicode_normalization::UnicodeNormalization as _;

use super::manifest::{AssetError, FileEntry, State, TaskEntry};
use super::plan::KindFilter;

/// Which tasks to use. A condition that is none, or an empty list, accepts every task; a task must meet all conditions.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TaskFilter {
    /// The ids, in the order of [`SortKey::Input`]. An empty set accepts no task.
    pub ids: Option<IndexSet<String>>,
    /// The states.
    pub states: Vec<State>,
    /// The kinds. Of a task, only the files and errors of these kinds are used; a task without any is rejected.
    pub kinds: Option<KindFilter>,
    /// The platforms. Case is ignored.
    pub platforms: Vec<String>,
    /// The earliest [`TaskEntry::time`].
    pub since: Option<Timestamp>,
    /// The first [`TaskEntry::time`] that is too late.
    pub until: Option<Timestamp>,
    /// A text in the id, the prompt, the text, the message or the model. Case is ignored.
    pub grep: Option<String>,
}

impl TaskFilter {
    /// Whether the filter accepts every task and keeps every file.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the filter accepts `task`.
    #[must_use]
    pub fn accepts(&self, task: &TaskEntry) -> bool {
        self.ids.as_ref().is_none_or(|ids| ids.contains(&task.task_id))
            && (self.states.is_empty() || self.states.contains(&task.state))
            && self.kinds.is_none_or(|kinds| has_kind(task, kinds))
            && (self.platforms.is_empty() || self.accepts_platform(task))
            && self.accepts_time(task)
            && self.grep.as_deref().is_none_or(|text| contains_folded(task, text))
    }

    /// Removes the files and errors of other kinds from `task`, and the path of the text if the text is not selected. The text
    /// itself stays, because it describes the task.
    pub fn select_files(&self, task: &mut TaskEntry) {
        let Some(kinds) = self.kinds else { return };
        task.files.retain(|file| kinds.includes(file.key().kind));
        task.errors.retain(|error| kinds.includes(error.key().kind));
        if !self.includes_text() {
            task.text_path = None;
        }
    }

    /// Whether the texts of tasks are selected.
    #[must_use]
    pub fn includes_text(&self) -> bool {
        self.kinds.is_none_or(|kinds| kinds.text)
    }

    /// The position of an id among those that are asked for.
    fn id_position(&self, id: &str) -> Option<usize> {
        self.ids.as_ref()?.get_index_of(id)
    }

    fn accepts_platform(&self, task: &TaskEntry) -> bool {
        let Some(platform) = task.platform.as_deref().map(fold_case) else { return false };
        self.platforms.iter().any(|wanted| fold_case(wanted) == platform)
    }

    /// A task without a known time is rejected as soon as a time is asked for.
    fn accepts_time(&self, task: &TaskEntry) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Some(time) = task.time() else { return false };
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time < until)
    }
}

/// Whether `task` has a file, an error or a text of one of the kinds.
fn has_kind(task: &TaskEntry, kinds: KindFilter) -> bool {
    let mut keys = task.files.iter().map(FileEntry::key).chain(task.errors.iter().map(AssetError::key));
    keys.any(|key| kinds.includes(key.kind)) || (kinds.text && task.text.is_some())
}

fn contains_folded(task: &TaskEntry, text: &str) -> bool {
    let text = fold_case(text);
    let contains = |value: &str| fold_case(value).contains(&text);
    let texts = [Some(task.task_id.as_str()), task.text.as_deref(), task.message.as_deref(), task.model.as_deref()];
    texts.into_iter().flatten().any(contains) || task.prompt().is_some_and(|prompt| contains(&prompt))
}

/// `text` in a form in which letters of either case are equal, and so are an accented letter and its parts.
///
/// Upper case first: it joins letters that have several lower-case forms, such as the two of the Greek sigma.
fn fold_case(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

/// What tasks are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortKey {
    /// [`TaskEntry::time`], from the oldest; tasks without a known time are first.
    Time,
    /// The id.
    Id,
    /// The position in [`TaskFilter::ids`].
    Input,
    /// The total size of the selected files, from the smallest.
    Size,
}

/// Which tasks to use, and in which order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// The tasks and files.
    pub filter: TaskFilter,
    /// The order. None: [`SortKey::Input`] if the filter has ids, else [`SortKey::Time`].
    pub sort: Option<SortKey>,
    /// Whether the order of the sort key is reversed: from the newest, or the largest.
    pub reverse: bool,
}

/// The tasks that a [`Selection`] selected.
#[derive(Debug)]
pub struct Selected {
    /// In the order of the selection, with the selected files only.
    pub tasks: Vec<TaskEntry>,
    /// The ids of the filter that no task has.
    pub missing_ids: Vec<String>,
}

impl Selection {
    /// The sort key that is in force.
    #[must_use]
    pub fn sort_key(&self) -> SortKey {
        self.sort.unwrap_or(if self.filter.ids.is_some() { SortKey::Input } else { SortKey::Time })
    }

    /// Filters and orders `tasks`.
    #[must_use]
    pub fn select(&self, tasks: Vec<TaskEntry>) -> Selected {
        let mut selector = Selector::new(self);
        let mut tasks: Vec<TaskEntry> = tasks.into_iter().filter_map(|task| selector.select(task)).collect();
        self.sort(&mut tasks);
        Selected { tasks, missing_ids: selector.missing_ids() }
    }

    /// Orders tasks that a [`Selector`] selected.
    pub(crate) fn sort(&self, tasks: &mut [TaskEntry]) {
        let key = |task: &TaskEntry| self.position(task);
        tasks.sort_by_cached_key(key);
    }

    /// The position of `task` in the order.
    pub(crate) fn position(&self, task: &TaskEntry) -> Position {
        let rank = match self.sort_key() {
            SortKey::Time => Rank::Time(task.time()),
            SortKey::Id => Rank::Id(task.task_id.clone()),
            SortKey::Input => Rank::Input(self.filter.id_position(&task.task_id)),
            SortKey::Size => Rank::Size(task.bytes()),
        };
        Position { rank, is_reversed: self.reverse, task_id: task.task_id.clone() }
    }
}

/// The position of a task in an order. Comparable with positions of the same [`Selection`].
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Position {
    rank: Rank,
    is_reversed: bool,
    task_id: String,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Rank {
    Time(Option<Timestamp>),
    Id(String),
    Input(Option<usize>),
    Size(u64),
}

impl Ord for Position {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_rank = self.rank.cmp(&other.rank);
        let by_rank = if self.is_reversed { by_rank.reverse() } else { by_rank };
        by_rank.then_with(|| self.task_id.cmp(&other.task_id))
    }
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Applies the filter of a [`Selection`] to tasks that are read one by one.
#[derive(Debug)]
pub(crate) struct Selector<'a> {
    filter: &'a TaskFilter,
    /// The wanted ids that were seen, by their positions.
    seen: HashSet<usize>,
}

impl<'a> Selector<'a> {
    pub(crate) fn new(selection: &'a Selection) -> Self {
        Self { filter: &selection.filter, seen: HashSet::new() }
    }

    /// `task` with the selected files only, if the filter accepts it.
    pub(crate) fn select(&mut self, mut task: TaskEntry) -> Option<TaskEntry> {
        self.seen.extend(self.filter.id_position(&task.task_id));
        if !self.filter.accepts(&task) {
            return None;
        }
        self.filter.select_files(&mut task);
        Some(task)
    }

    /// The wanted ids that no task had so far, in their order.
    pub(crate) fn missing_ids(&self) -> Vec<String> {
        let ids = self.filter.ids.iter().flatten().enumerate();
        ids.filter(|(at, _)| !self.seen.contains(at)).map(|(_, id)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
