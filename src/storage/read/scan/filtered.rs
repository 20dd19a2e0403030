//! What a filter selects of the tasks that a scan finds.

use std::collections::HashSet;

use crate::domain::manifest::TaskEntry;
use crate::domain::selection::TaskFilter;
use crate::layout;

/// The part of a task that `filter` selects; none if it rejects the task.
pub(in crate::storage) fn select(filter: &TaskFilter, mut task: TaskEntry) -> Option<TaskEntry> {
    if !filter.accepts(&task) {
        return None;
    }
    filter.select_files(&mut task);
    if !filter.includes_text() {
        task.text = None;
    }
    Some(task)
}

/// Of the ids that `filter` asks for, those that are not among the ids and folders `found`.
pub(in crate::storage) fn missing_ids(filter: &TaskFilter, found: &HashSet<String>) -> Vec<String> {
    let is_missing = |id: &&String| !found.contains(*id) && !found.contains(&layout::folder_name(id));
    filter.ids.iter().flatten().filter(is_missing).cloned().collect()
}
