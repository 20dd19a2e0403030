//! Writes the files that were planned: copies in batches, so that one sync makes many of them durable, and links one by one.
//!
//! A fault of the disk costs one file. A full disk, or several faults in a row, end the export; what was copied before gets its
//! name.

use std::io;

use super::tagging::Tagged;
use super::{FileExport, Item, LinkMode, extension};
use crate::domain::event::Event;
use crate::domain::export_record::ExportedFile;
use crate::media::tags;
use crate::storage::{Error, StagedCopy};

/// Faults of the disk in a row that end an export.
const MAX_CONSECUTIVE_FAULTS: u32 = 3;
/// The most files whose copies get their names together. Each is open until then.
const MAX_BATCH_FILES: usize = 64;
/// The bytes of copies after which they get their names.
const MAX_BATCH_BYTES: u64 = 64 << 20;

/// What became of the files so far.
#[derive(Default)]
struct Progress<'a> {
    /// The ids of the tasks of those that were written.
    written: Vec<&'a str>,
    /// The faults of the disk since the last file without one.
    faults: u32,
}

impl FileExport<'_> {
    /// Writes the files. Returns the ids of those that were written.
    pub(super) fn write<'t>(&mut self, items: &[Item<'t>]) -> Result<Vec<&'t str>, Error> {
        if self.options.link == LinkMode::Hard && !items.is_empty() {
            self.warn(
                "hard links are the files of the archive: a program that changes one in place changes the archive".to_owned(),
            );
        }
        let mut progress = Progress::default();
        for batch in batches(items, |item| item.source.size) {
            if self.options.link.is_copy() {
                self.write_copies(batch, &mut progress)?;
            } else {
                for item in batch {
                    let written = self.write_one(item, false);
                    self.settle(item, written, &mut progress)?;
                }
            }
        }
        Ok(progress.written)
    }

    /// Makes copies, and gives them their names together.
    fn write_copies<'t>(&mut self, items: &[Item<'t>], progress: &mut Progress<'t>) -> Result<(), Error> {
        let (mut done, mut copies, mut ended) = (Vec::new(), Vec::new(), Ok(()));
        let mut downloaded = self.download(items).into_iter();
        for item in items {
            let copy = downloaded.next().map(|copy| self.finish_copy(item, item.exported.clone(), copy?));
            match copy.unwrap_or_else(|| self.copy(item, item.exported.clone())) {
                Ok(copy) => {
                    progress.faults = 0;
                    done.push(item);
                    copies.push(copy);
                }
                Err(error) => ended = self.settle(item, Err(error), progress),
            }
            if ended.is_err() {
                // What was copied before is whole.
                break;
            }
        }
        for (item, named) in done.into_iter().zip(self.dir.publish(copies)?) {
            let written = match named {
                Ok(true) => Ok(()),
                // Another program took the name since it was planned.
                Ok(false) => self.write_one(item, true),
                Err(error) => Err(error),
            };
            self.settle(item, written, progress)?;
        }
        ended
    }

    /// Writes a file, under another name than planned if that `is_taken`.
    fn write_one(&mut self, item: &Item<'_>, mut is_taken: bool) -> Result<(), Error> {
        let mut exported = item.exported.clone();
        loop {
            if is_taken {
                exported.name = self.planner.plan(&item.path, &mut self.dir)?;
                self.dir.plan(vec![exported.clone()])?;
            }
            is_taken = !if self.options.link.is_copy() {
                let copy = self.copy(item, exported.clone())?;
                self.dir.publish(vec![copy])?.pop().expect("each copy has a result")?
            } else {
                self.dir.link(&exported, &item.source, self.options.link == LinkMode::Sym)?
            };
            if !is_taken {
                return Ok(());
            }
        }
    }

    /// Notes what became of a file. An error that concerns more than this file ends the export.
    fn settle<'t>(&mut self, item: &Item<'t>, written: Result<(), Error>, progress: &mut Progress<'t>) -> Result<(), Error> {
        match written {
            Ok(()) => {
                progress.written.push(item.task.task_id.as_str());
                progress.faults = 0;
            }
            Err(error) if error.is_single_file() => self.skipped.report(error.message()),
            Err(error) => {
                progress.faults += 1;
                if progress.faults == MAX_CONSECUTIVE_FAULTS || ends_export(&error) {
                    return Err(error);
                }
                self.skipped.report(error.message());
            }
        }
        Ok(())
    }

    /// Makes the copy of a file, with its time, and its tags if they are wanted.
    fn copy(&mut self, item: &Item<'_>, exported: ExportedFile) -> Result<(StagedCopy, ExportedFile), Error> {
        let is_tagged = self.tagger.is_some() && tags::is_taggable(extension(item.file));
        let copy = self.dir.stage(&exported, &item.source, self.options.link == LinkMode::Copy || is_tagged)?;
        self.finish_copy(item, exported, copy)
    }

    /// Downloads the files of a batch that are in a bucket: all of them, or none.
    fn download(&mut self, items: &[Item<'_>]) -> Vec<Result<StagedCopy, Error>> {
        #[cfg(feature = "bucket")]
        if items.iter().all(|item| !item.source.is_on_disk()) {
            return self.dir.download(&items.iter().map(|item| (&item.exported, &item.source)).collect::<Vec<_>>());
        }
        let _ = items;
        Vec::new()
    }

    /// Gives a copy its time, and its tags if they are wanted.
    fn finish_copy(
        &mut self,
        item: &Item<'_>,
        mut exported: ExportedFile,
        mut copy: StagedCopy,
    ) -> Result<(StagedCopy, ExportedFile), Error> {
        let Item { task, file, source, .. } = item;
        let tagger = self.tagger.as_ref().filter(|_| tags::is_taggable(extension(file)));
        match tagger.map(|tagger| tagger.tag(task, file, source, &mut copy)).transpose()? {
            Some(Tagged::Yes) => exported.sha256 = Some(copy.hash()?),
            Some(Tagged::No(reason)) => self.warn(format!("{} is copied without tags: {reason}", exported.name)),
            None => {}
        }
        if let Err(error) = copy.copy_time(source)
            && !std::mem::replace(&mut self.is_time_reported, true)
        {
            self.warn(format!("the times of exported files can't be set: {error}"));
        }
        Ok((copy, exported))
    }

    fn warn(&self, message: String) {
        self.skipped.events.emit(Event::Warning(message));
    }
}

/// Files whose copies get their names together: a kill costs no more than these.
fn batches<T>(items: &[T], size: impl Fn(&T) -> u64) -> impl Iterator<Item = &[T]> {
    let (mut files, mut bytes) = (0, 0);
    items.chunk_by(move |item, _| {
        (files, bytes) = (files + 1, size(item).saturating_add(bytes));
        let has_space = files < MAX_BATCH_FILES && bytes < MAX_BATCH_BYTES;
        if !has_space {
            (files, bytes) = (0, 0);
        }
        has_space
    })
}

/// Whether no other file can be written after such an error.
fn ends_export(error: &Error) -> bool {
    let is_disk = |error: &io::Error| {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        matches!(error.kind(), StorageFull | QuotaExceeded | ReadOnlyFilesystem)
    };
    matches!(error, Error::NoLink { .. }) || error.write_error().is_some_and(is_disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_files_and_bytes() {
        let sizes = |bytes: &[u64]| batches(bytes, |bytes| *bytes).map(<[u64]>::len).collect::<Vec<_>>();
        assert_eq!(sizes(&[]).len(), 0);
        assert_eq!(sizes(&[0; 129]), [64, 64, 1]);
        assert_eq!(sizes(&[MAX_BATCH_BYTES, 1, 1]), [1, 2]);
        assert_eq!(sizes(&[1, MAX_BATCH_BYTES - 1, u64::MAX, u64::MAX, 7]), [2, 1, 1, 1]);
    }
}
