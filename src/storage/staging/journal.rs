//! What is known of an unfinished file, beside it: of which version it is, and what its bytes were.
//!
//! The first line says the version. Each further line is a length and the hash of all bytes up to
//! there: the running hash, which costs nothing to look at. A crash may leave anything in the file
//! (a tail of zeros, old blocks) and may cut the journal too; so a part is believed only as far as
//! hashing it again comes by the same values. Having been synced is no proof, and is not asked for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::positioned;
use crate::integrity::digest::{Hasher, Sha256Hex};
use crate::integrity::remote_version::RemoteVersion;
use crate::storage::local::dir::{Dir, OpenMode};

/// How many of a file's first bytes are kept at hand, to tell what it is.
pub(in crate::storage) const HEAD_SIZE: usize = 16 << 10;

/// A journal that is being written. Its file is made with the first line.
#[derive(Debug)]
pub(in crate::storage) struct Journal {
    dir: Dir,
    name: String,
    version: RemoteVersion,
    file: Option<File>,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    size: u64,
    sha256: Sha256Hex,
}

/// A part that was proven: what can go on where it ended.
pub(in crate::storage) struct ResumedPart {
    pub journal: Journal,
    pub file: File,
    pub prefix: HashedPrefix,
}

impl Journal {
    pub(in crate::storage) fn new(dir: Dir, name: String, version: RemoteVersion) -> Self {
        Self { dir, name, version, file: None }
    }

    pub(in crate::storage) fn version(&self) -> &RemoteVersion {
        &self.version
    }

    /// Vouches for the first `size` bytes, of which `hasher` has seen all.
    pub(in crate::storage) fn checkpoint(&mut self, size: u64, hasher: &Hasher) -> io::Result<()> {
        let mut lines = Vec::new();
        if self.file.is_none() {
            self.dir.remove(&self.name)?;
            self.file = Some(self.dir.open(&self.name, OpenMode::CreateNew)?);
            serde_json::to_writer(&mut lines, &self.version)?;
            lines.push(b'\n');
        }
        serde_json::to_writer(&mut lines, &Checkpoint { size, sha256: hasher.clone().finish() })?;
        lines.push(b'\n');
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(&lines))
    }

    /// Removes it.
    pub(in crate::storage) fn discard(&mut self) {
        self.file = None;
        // Without its part it proves nothing.
        let _ = self.dir.remove(&self.name);
    }
}

/// What the journal of a part is called.
pub(in crate::storage) fn journal_name(part: &str) -> String {
    format!("{}.journal", part.strip_suffix(".part").unwrap_or(part))
}

/// Proves the part called `name` by its journal, and cuts off both what can't be proven; none when nothing is. Only files
/// that this user wrote are believed: whoever else can write here could have chosen both.
pub(in crate::storage) fn validate_and_truncate(dir: &Dir, name: &str) -> io::Result<Option<ResumedPart>> {
    let journal = journal_name(name);
    if !dir.check_trusted(name)? || !dir.check_trusted(&journal)? {
        return Ok(None);
    }
    let mut lines = Lines { reader: BufReader::new(dir.open(&journal, OpenMode::Read)?), read: 0 };
    let Some((version, mut vouched_for)) = lines.next::<RemoteVersion>() else { return Ok(None) };
    let file = dir.open(name, OpenMode::ReadWrite)?;
    let mut proof = HashedPrefix::default();
    while let Some((vouched, end)) = lines.next::<Checkpoint>() {
        match proof.extended_to(&file, &vouched)? {
            Some(further) => proof = further,
            None => break,
        }
        vouched_for = end;
    }
    if proof.size == 0 {
        return Ok(None);
    }
    file.set_len(proof.size)?;
    // Not opened for appending: Windows lets no such handle cut the file.
    let mut kept = dir.open(&journal, OpenMode::ReadWrite)?;
    kept.set_len(vouched_for)?;
    kept.seek(SeekFrom::Start(vouched_for))?;
    let journal = Journal { dir: dir.clone(), name: journal, version, file: Some(kept) };
    Ok(Some(ResumedPart { journal, file, prefix: proof }))
}

/// Whole lines of a journal, each with the journal's length up to its end.
struct Lines<R> {
    reader: R,
    read: u64,
}

impl<R: BufRead> Lines<R> {
    fn next<T: DeserializeOwned>(&mut self) -> Option<(T, u64)> {
        let mut line = Vec::new();
        self.read += self.reader.read_until(b'\n', &mut line).ok()? as u64;
        let value = serde_json::from_slice(line.strip_suffix(b"\n")?).ok()?;
        Some((value, self.read))
    }
}

/// The first bytes of a part, hashed.
#[derive(Clone, Default)]
pub(in crate::storage) struct HashedPrefix {
    pub hasher: Hasher,
    pub size: u64,
    pub head: Vec<u8>,
}

impl HashedPrefix {
    /// Takes the next bytes.
    pub(in crate::storage) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        self.head.extend_from_slice(&bytes[..bytes.len().min(HEAD_SIZE - self.head.len())]);
    }

    /// This and the bytes of `file` up to what is vouched for; none when they are others.
    fn extended_to(&self, file: &File, vouched: &Checkpoint) -> io::Result<Option<Self>> {
        let mut further = self.clone();
        positioned::read_range(file, self.size, vouched.size, |block| further.update(block))?;
        let is_same = further.size == vouched.size && further.hasher.clone().finish() == vouched.sha256;
        Ok(is_same.then_some(further))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::integrity::remote_version::Validator;

    fn version() -> RemoteVersion {
        RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: Some(12) }
    }

    /// A part of `bytes`, vouched for after each of `ends`.
    fn part(folder: &Path, bytes: &[u8], ends: &[usize]) -> PathBuf {
        let path = folder.join(".video-1.part");
        fs::write(&path, bytes).unwrap();
        let mut journal = Journal::new(Dir::at(folder), ".video-1.journal".to_owned(), version());
        for &end in ends {
            let mut hasher = Hasher::default();
            hasher.update(&bytes[..end]);
            journal.checkpoint(end as u64, &hasher).unwrap();
        }
        path
    }

    fn resume(path: &Path) -> Option<ResumedPart> {
        validate_and_truncate(&Dir::at(path.parent().unwrap()), ".video-1.part").unwrap()
    }

    fn beside(path: &Path) -> PathBuf {
        path.with_extension("journal")
    }

    fn validated_size(path: &Path) -> u64 {
        resume(path).map_or(0, |proven| proven.prefix.size)
    }

    #[test]
    fn only_bytes_that_match_the_journal_hash_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = part(folder.path(), b"abcdefghijkl", &[4, 8]);
        let found = resume(&path).unwrap();
        assert_eq!((found.prefix.size, found.journal.version()), (8, &version()));
        assert_eq!(fs::read(&path).unwrap(), b"abcdefgh", "what nobody vouches for is cut off");
        drop(found);

        for (bytes, size) in
            [(&b"abcdefgh"[..], 8), (b"abcdefg\0", 4), (b"abcd\0\0\0\0", 4), (b"abcdefg", 4), (b"Xbcdefgh", 0), (b"", 0)]
        {
            let path = part(folder.path(), b"abcdefghijkl", &[4, 8]);
            fs::write(&path, bytes).unwrap();
            assert_eq!(validated_size(&path), size, "{bytes:?}");
        }
    }

    #[test]
    fn truncated_journal_validates_its_complete_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = part(folder.path(), b"abcdefghijkl", &[4, 8]);
        let whole = fs::read(beside(&path)).unwrap();
        let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
        for cut in 0..=whole.len() {
            part(folder.path(), b"abcdefghijkl", &[4, 8]);
            fs::write(beside(&path), &whole[..cut]).unwrap();
            let size = if cut >= ends[2] {
                8
            } else if cut >= ends[1] {
                4
            } else {
                0
            };
            assert_eq!(validated_size(&path), size, "cut at {cut}");
            let zeros = [&whole[..cut], &[0; 7]].concat();
            part(folder.path(), b"abcdefghijkl", &[4, 8]);
            fs::write(beside(&path), zeros).unwrap();
            assert_eq!(validated_size(&path), size, "cut at {cut}, then zeros");
        }
    }

    #[test]
    fn resumed_part_can_be_checkpointed_and_validated_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = part(folder.path(), b"abcdefghijkl", &[4, 8]);
        fs::write(&path, b"abcd\0\0\0\0").unwrap();
        let mut found = resume(&path).unwrap();
        positioned::write_all_at(&found.file, b"EF", 4).unwrap();
        found.prefix.update(b"EF");
        found.journal.checkpoint(6, &found.prefix.hasher).unwrap();
        drop(found);
        assert_eq!(validated_size(&path), 6);
        assert_eq!(fs::read(&path).unwrap(), b"abcdEF");
    }

    #[test]
    fn wrong_lengths_in_the_journal_validate_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = part(folder.path(), b"abcdefghijkl", &[8, 4]);
        assert_eq!(validated_size(&path), 8, "going back proves nothing more");
        let line = format!("{{\"size\":{},\"sha256\":\"{}\"}}\n", u64::MAX, Sha256Hex::digest(b""));
        let first = serde_json::to_string(&version()).unwrap();
        fs::write(beside(&path), format!("{first}\n{line}")).unwrap();
        assert_eq!(validated_size(&path), 0);
    }
}
