//! A file that has come: [`Sealed`] has all its bytes, their number and their hash; a [`Draft`] has the name and the
//! entry that it will have, too.
//!
//! Neither is durable yet. Until `Held` has seen to that, the entry stands in no manifest of that name.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use super::Part;
use crate::domain::asset_key::AssetKey;
use crate::domain::manifest::FileEntry;
use crate::integrity::digest::Sha256Hex;
use crate::storage::Error;
use crate::storage::local::dir::{Dir, OpenMode};
use crate::storage::staging::journal;

/// A file that has all its bytes.
pub(crate) struct Sealed {
    part: Part,
    sha256: Sha256Hex,
}

impl Part {
    /// Ends the file.
    #[must_use]
    pub(crate) fn seal(self) -> Sealed {
        Sealed { sha256: self.prefix.hasher.clone().finish(), part: self }
    }
}

impl Sealed {
    /// In bytes.
    #[must_use]
    pub(crate) fn size(&self) -> u64 {
        self.part.size()
    }

    /// Of all bytes.
    #[must_use]
    pub(crate) fn sha256(&self) -> &Sha256Hex {
        &self.sha256
    }

    /// The first bytes, and whether they are all.
    #[must_use]
    pub(crate) fn head(&self) -> (&[u8], bool) {
        let head = &self.part.prefix.head;
        (head, self.size() == head.len() as u64)
    }

    /// The file, to look into.
    ///
    /// # Errors
    /// When it can't be opened again.
    pub(crate) fn reader(&self) -> io::Result<File> {
        self.part.dir.open(&self.part.name, OpenMode::Read)
    }

    /// Gives it up: it is not what was promised.
    pub(crate) fn discard(self) {
        self.part.discard();
    }

    /// Names the file: `slot` as `name`, dated `modified`.
    ///
    /// # Errors
    /// When the disk says no; the bytes are then gone.
    pub(crate) fn into_verified(
        mut self,
        slot: AssetKey,
        name: &str,
        modified: Option<SystemTime>,
    ) -> Result<VerifiedPart, Error> {
        let mut entry = FileEntry::new(slot, name, self.size(), self.sha256.clone());
        let (dir, part) = (self.part.dir.clone(), self.part.name.clone());
        if let Err(error) = self.part.write_back.finish() {
            // After a failed sync nobody knows what is on the disk, whatever reading it back may say.
            self.part.discard();
            return Err(Error::io("write", &dir.join(&part))(error));
        }
        if let (Some(file), Some(time)) = (&self.part.file, modified)
            && let Err(error) = file.set_modified(time)
        {
            // Some file systems keep no times, or let only the owner set them. The file is whole all the same.
            entry.warnings.push(format!("its time could not be set: {error}"));
        }
        // It is more than a part now, and not to be removed as one. Its journal goes when something better vouches for it.
        self.part.file = None;
        Ok(VerifiedPart { dir, part_name: part, has_journal: self.part.checkpointed > 0, entry })
    }
}

/// A whole file under its dot-name, with the entry that it will have.
pub(crate) struct VerifiedPart {
    pub(in crate::storage) dir: Dir,
    /// Its dot-name.
    pub(in crate::storage) part_name: String,
    /// Whether a journal lies beside it.
    pub(in crate::storage) has_journal: bool,
    pub(in crate::storage) entry: FileEntry,
}

impl VerifiedPart {
    /// Where it stands.
    pub(in crate::storage) fn path(&self) -> PathBuf {
        self.dir.join(&self.part_name)
    }

    /// The entry, to say what is known of the file.
    pub(crate) fn update_entry(&mut self, describe: impl FnOnce(&mut FileEntry)) {
        describe(&mut self.entry);
    }

    /// Gives the file up, and its journal.
    pub(in crate::storage) fn discard(&self) {
        // What can't be removed now is removed by the next run.
        let _ = self.dir.remove(&self.part_name);
        let _ = self.dir.remove(&journal::journal_name(&self.part_name));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::domain::asset_key::Kind;
    use crate::storage::staging::journal::HEAD_SIZE;
    use crate::storage::staging::part::tests::begun;

    #[test]
    fn seal_hashes_counts_and_keeps_the_head() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.write_all(&[7; HEAD_SIZE - 1]).unwrap();
        part.write_all(b"abc").unwrap();
        let sealed = part.seal();
        assert_eq!(sealed.size(), HEAD_SIZE as u64 + 2);
        assert_eq!(sealed.head().0.len(), HEAD_SIZE);
        assert!(!sealed.head().1);
        let whole = [&[7; HEAD_SIZE - 1][..], b"abc"].concat();
        let slot = AssetKey { kind: Kind::Video, index: 1 };
        let draft = sealed.into_verified(slot, "video-1.mp4", None).unwrap();
        assert_eq!(draft.entry.sha256(), &Sha256Hex::digest(&whole));
        assert_eq!(std::fs::read(draft.dir.join(&draft.part_name)).unwrap(), whole);
    }
}
