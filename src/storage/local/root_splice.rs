//! Updates a long root manifest and its `SHA256SUMS` at the cost of what changed.
//!
//! One JSON file can't be changed in its middle, so both files are written anew. But only the entries of changed tasks are made:
//! all bytes between them are copied by the system. Before that, one scan of both old files finds the places of the changed
//! tasks, and proves what makes copying safe: the layout, the order of the ids ([`manifest::scan_layout`]), and that the lines
//! of the checksum list follow that order ([`SumsCursor`]). Where one of these is not proved there is no plan, and the caller
//! parses the manifest or reads the task folders. So the result is what a rebuild would write, as far as the old files are what
//! this program wrote.
//!
//! For an unchanged task, only the existence of its own manifest is checked. Without one, there is no plan.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::iter::Peekable;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::collect::TaskCollector;
use super::dir::Dir;
use super::manifest_files;
use super::new_file::NewFile;
use super::path_check;
use super::recent_commits::RecentCommits;
use super::root_entry::{CollectedTask, RootEntry};
use super::sums_list::SumsCursor;
use crate::domain::manifest::{self, ListWriter, RawTask};
use crate::domain::task::TaskId;
use crate::layout::{self, MANIFEST, SHA256SUMS};
use crate::storage::Error;
use crate::storage::read::report::Report;
use crate::storage::staging::positioned;

/// The places of changed tasks in the root's files. The caller holds the root's lock.
pub(super) struct SplicePlan {
    root: PathBuf,
    manifest: File,
    /// None when there is no list.
    sums: Option<File>,
    /// In the manifest, from the line break in front of the first entry to the end of the last.
    list: Range<u64>,
    changes: Vec<Change>,
}

/// A changed task. Its ranges are empty where the old files do not name it.
struct Change {
    id: String,
    /// In the manifest, with the line break in front.
    entry: Range<u64>,
    /// In the checksum list.
    lines: Range<u64>,
}

impl SplicePlan {
    /// Finds the places of the tasks `changed`. None where the old files are short, or are not what this program writes, or do
    /// not name a task with one of these fingerprints.
    pub(super) fn new(root: &Path, changed: &[TaskId], fingerprints: &[u128]) -> Result<Option<Self>, Error> {
        // A list that can't be read is written anew.
        let Ok(sums) = SumsCursor::open(root) else { return Ok(None) };
        let changed: BTreeSet<&str> = changed.iter().map(TaskId::as_str).collect();
        let mut planner = Planner {
            root,
            changed: changed.into_iter().peekable(),
            missing: fingerprints.iter().copied().collect(),
            sums,
            changes: Vec::new(),
        };
        let Some((manifest, list)) = manifest_files::scan_root(root, |id, task| planner.on_task(id, task))? else {
            return Ok(None);
        };
        planner.insert_before(None, list.end + 1);
        let Planner { missing, sums, changes, .. } = planner;
        let is_sound = missing.is_empty() && sums.is_at_end();
        Ok(is_sound.then(|| Self { root: root.to_owned(), manifest, sums: sums.into_file(), list, changes }))
    }

    /// Writes the root's files with what the folders of the changed tasks hold now.
    pub(super) fn apply(self, recent: &RecentCommits, report: &mut Report) -> Result<(), Error> {
        let (root, dir) = (self.root.clone(), Dir::at(&self.root));
        let failed = |error| Error::io("write", &root.join(MANIFEST))(error);
        let mut manifest = self.begin(NewFile::create(&dir, MANIFEST)?).map_err(failed)?;
        let mut sums = LineSplice { new: NewFile::create(&dir, SHA256SUMS)?, next: 0, is_changed: false };
        self.write(&mut manifest, &mut sums, TaskCollector::new(&root, true, report).with_recent(recent))?;
        // Some systems can't replace a file that is open.
        drop(self);
        let new_manifest = manifest.list.end().and_then(NewFile::finish).map_err(failed)?;
        new_manifest.replace_old_if(manifest.is_changed)?;
        let new_sums = sums.new.finish().map_err(Error::io("write", &root.join(SHA256SUMS)))?;
        let is_empty = new_sums.is_empty().inspect_err(|_| new_sums.discard())?;
        if is_empty { new_sums.remove_old() } else { new_sums.replace_old_if(sums.is_changed) }.map(drop)
    }

    fn write(&self, manifest: &mut EntrySplice, sums: &mut LineSplice, mut collector: TaskCollector<'_>) -> Result<(), Error> {
        let path = self.root.join(MANIFEST);
        let failed = |error| Error::io("write", &path)(error);
        for change in &self.changes {
            let old = self.copy_until(change, manifest, sums).map_err(failed)?;
            let mut new = RootEntry::default();
            let mut on_task = |task: CollectedTask| {
                new = task.into_root_entry().map_err(failed)?;
                Ok(())
            };
            collector.collect_dir(&change.id, RawTask::from(old.as_slice()).parse(), &mut on_task)?;
            let replaced = manifest.replace(&change.entry, &old, &new.text);
            replaced.and_then(|()| sums.replace(self.sums.as_ref(), &change.lines, &new.sums)).map_err(failed)?;
        }
        self.end(manifest, sums).map_err(failed)
    }

    /// Writes the beginning, which names the version of this program.
    fn begin(&self, new: NewFile) -> io::Result<EntrySplice> {
        let is_changed = read(&self.manifest, 0..self.list.start)? != manifest::list_start()?;
        Ok(EntrySplice { list: ListWriter::begin(new)?, next: self.list.start, is_changed })
    }

    /// Copies what comes before `change`. Returns the old entry.
    fn copy_until(&self, change: &Change, manifest: &mut EntrySplice, sums: &mut LineSplice) -> io::Result<Vec<u8>> {
        manifest.copy_until(&self.manifest, change.entry.start)?;
        sums.copy_until(self.sums.as_ref(), change.lines.start)?;
        read(&self.manifest, change.entry.clone())
    }

    /// Copies what comes after the last change.
    fn end(&self, manifest: &mut EntrySplice, sums: &mut LineSplice) -> io::Result<()> {
        manifest.copy_until(&self.manifest, self.list.end + 1)?;
        let end = self.sums.as_ref().map_or(Ok(0), |sums| sums.metadata().map(|found| found.len()))?;
        sums.copy_until(self.sums.as_ref(), end)
    }
}

/// Finds the places of changed tasks, task by task of the old manifest.
struct Planner<'a, I: Iterator<Item = &'a str>> {
    root: &'a Path,
    /// The changed tasks that are not found yet, in the order of their ids.
    changed: Peekable<I>,
    /// The tasks that are expected and not found yet.
    missing: HashSet<u128>,
    sums: SumsCursor,
    changes: Vec<Change>,
}

impl<'a, I: Iterator<Item = &'a str>> Planner<'a, I> {
    /// The next task of the old manifest. Whether it and its lines are as this program writes them.
    fn on_task(&mut self, id: &str, task: RawTask<'_>) -> bool {
        let entry = task.byte_range().start - 1..task.byte_range().end;
        self.insert_before(Some(id), entry.start);
        let Some(lines) = self.sums.pass(id, task) else { return false };
        if self.changed.next_if(|changed| *changed == id).is_some() {
            if task.parse().is_none() {
                return false;
            }
            self.changes.push(Change { id: id.to_owned(), entry, lines });
        } else if !matches!(path_check::lstat(&self.root.join(layout::folder_name(id)).join(MANIFEST)), Ok(Some(_))) {
            // The other ways report it, and restore the manifest or drop the task.
            return false;
        }
        if !self.missing.is_empty()
            && let Some(id) = TaskId::new(id)
        {
            self.missing.remove(&id.fingerprint());
        }
        true
    }

    /// Places the changed tasks that come before the task `id`, which begins at `offset`; without one, all that are left.
    fn insert_before(&mut self, id: Option<&str>, offset: u64) {
        let lines = self.sums.offset();
        while let Some(new) = self.changed.next_if(|changed| id.is_none_or(|id| *changed < id)) {
            self.changes.push(Change { id: new.to_owned(), entry: offset..offset, lines: lines..lines });
        }
    }
}

/// The new root manifest while it is written.
struct EntrySplice {
    list: ListWriter<NewFile>,
    /// The offset of the next entry in the old manifest. Behind the last entry, it is as if a comma followed that.
    next: u64,
    is_changed: bool,
}

impl EntrySplice {
    /// Copies the entries of the old manifest up to the one at `end`.
    fn copy_until(&mut self, old: &File, end: u64) -> io::Result<()> {
        if self.next < end {
            self.list.next_entry()?.copy(old, self.next..end - 1)?;
        }
        self.next = end;
        Ok(())
    }

    /// Writes an entry in place of the one at `range`. Each can be empty: there is none.
    fn replace(&mut self, range: &Range<u64>, old: &[u8], entry: &[u8]) -> io::Result<()> {
        self.is_changed |= entry != old;
        if !range.is_empty() {
            self.next = range.end + 1;
        }
        if entry.is_empty() { Ok(()) } else { self.list.next_entry()?.write_all(entry) }
    }
}

/// The new checksum list while it is written.
struct LineSplice {
    new: NewFile,
    /// The offset of the next line in the old list.
    next: u64,
    is_changed: bool,
}

impl LineSplice {
    fn copy_until(&mut self, old: Option<&File>, end: u64) -> io::Result<()> {
        let range = std::mem::replace(&mut self.next, end)..end;
        old.map_or(Ok(()), |old| self.new.copy(old, range))
    }

    fn replace(&mut self, old: Option<&File>, range: &Range<u64>, lines: &[u8]) -> io::Result<()> {
        self.next = range.end;
        self.is_changed |= old.map_or(Ok(Vec::new()), |old| read(old, range.clone()))? != lines;
        self.new.write_all(lines)
    }
}

/// The bytes in `range`, which the file has.
fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let end = positioned::read_range(file, range.start, range.end, |block| text.extend_from_slice(block))?;
    if end < range.end { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(text) }
}
