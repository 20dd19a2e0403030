//! What a journal proves of a part, after a crash too.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::integrity::remote_version::Validator;

fn version() -> RemoteVersion {
    RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: Some(12) }
}

/// A part of `bytes` with a checkpoint after each of `ends`.
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
    resume(path).map_or(0, |resumed| resumed.prefix.size)
}

#[test]
fn only_bytes_that_match_the_journal_hash_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = part(folder.path(), b"abcdefghijkl", &[4, 8]);
    let found = resume(&path).unwrap();
    assert_eq!((found.prefix.size, found.journal.version()), (8, &version()));
    assert_eq!(fs::read(&path).unwrap(), b"abcdefgh", "bytes without a checkpoint are cut off");
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
    assert_eq!(validated_size(&path), 8, "a smaller length proves nothing more");
    let line = format!("{{\"size\":{},\"sha256\":\"{}\"}}\n", u64::MAX, Sha256Hex::digest(b""));
    let first = serde_json::to_string(&version()).unwrap();
    fs::write(beside(&path), format!("{first}\n{line}")).unwrap();
    assert_eq!(validated_size(&path), 0);
}
