//! What the root's files have of one task. A task that this run committed has it ready; that of a task that was read is made.

use std::io;

use super::sums_list::write_sums;
use crate::domain::manifest::{self, TaskEntry};

/// What the root's files have of one task. That of no task is empty.
#[derive(Debug, Default)]
pub(super) struct RootEntry {
    /// Its text in the root manifest, with the line break in front.
    pub text: Box<[u8]>,
    /// Its lines in the checksum list.
    pub sums: Box<[u8]>,
    /// How many files the manifest names.
    pub files: u64,
}

impl RootEntry {
    /// Of a task whose paths are relative to the root.
    pub(super) fn new(task: &TaskEntry) -> io::Result<Self> {
        let mut sums = Vec::new();
        write_sums(&mut sums, task)?;
        let text = manifest::list_entry(task)?.into();
        Ok(Self { text, sums: sums.into(), files: task.files.len() as u64 })
    }

    /// How many bytes its texts take.
    pub(super) fn size(&self) -> usize {
        self.text.len() + self.sums.len()
    }
}

/// A task that was collected.
pub(super) enum CollectedTask {
    /// It was read. Its paths are relative to the root.
    Read(Box<TaskEntry>),
    /// This run committed it, and need not read it.
    Committed(RootEntry),
}

impl CollectedTask {
    pub(super) fn into_root_entry(self) -> io::Result<RootEntry> {
        match self {
            Self::Read(task) => RootEntry::new(&task),
            Self::Committed(entry) => Ok(entry),
        }
    }
}

impl From<TaskEntry> for CollectedTask {
    fn from(task: TaskEntry) -> Self {
        Self::Read(Box::new(task))
    }
}
