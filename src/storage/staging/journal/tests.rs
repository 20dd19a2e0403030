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

/// A block of `bytes`, as a connection would prove it.
fn block(bytes: &[u8], range: std::ops::Range<usize>) -> Block {
    let mut hasher = BlockHasher::default();
    hasher.update(&bytes[range.clone()]);
    Block { from: range.start as u64, size: range.len() as u64, xxh3: hasher.finish() }
}

/// A part of twelve bytes with a checkpoint after four, and these blocks beyond.
fn part_with_blocks(folder: &Path, blocks: &[std::ops::Range<usize>]) -> PathBuf {
    let path = part(folder, b"abcdefghijkl", &[4]);
    let mut journal = resume(&path).unwrap().journal;
    fs::write(&path, b"abcdefghijkl").unwrap();
    for range in blocks {
        journal.add_block(block(b"abcdefghijkl", range.clone())).unwrap();
    }
    path
}

/// What a part has beyond its prefix: the end of the bytes after 6 and after 9, and the end of all.
fn ahead(path: &Path) -> (u64, u64, Option<u64>) {
    resume(path).map_or((6, 9, None), |found| (found.ahead.end_after(6), found.ahead.end_after(9), found.ahead.end()))
}

#[test]
fn blocks_beyond_a_gap_are_kept_as_far_as_their_hashes_match() {
    let folder = tempfile::tempdir().unwrap();
    let path = part_with_blocks(folder.path(), &[6..8, 9..12]);
    assert_eq!(ahead(&path), (8, 12, Some(12)));
    assert_eq!(fs::read(&path).unwrap().len(), 12);
    for (bytes, expected) in [
        (&b"abcdefgXijkl"[..], (6, 12, Some(12))),
        (b"abcdefghijk\0", (8, 9, Some(8))),
        (b"abcdefghijk", (8, 9, Some(8))),
        // Without its prefix, too.
        (b"Xbcdefghijkl", (8, 12, Some(12))),
    ] {
        let path = part_with_blocks(folder.path(), &[6..8, 9..12]);
        fs::write(&path, bytes).unwrap();
        assert_eq!(ahead(&path), expected, "{bytes:?}");
        assert_eq!(ahead(&path), expected, "{bytes:?}, and again");
    }
}

#[test]
fn bytes_that_were_refused_once_are_proven_by_a_later_checkpoint_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = part_with_blocks(folder.path(), &[6..8, 10..11]);
    fs::write(&path, b"abcdef\0\0").unwrap();
    let mut journal = resume(&path).unwrap().journal;
    fs::write(&path, b"abcdefghijkl").unwrap();
    journal.add_block(block(b"abcdefghijkl", 9..12)).unwrap();
    assert_eq!(ahead(&path), (6, 12, Some(12)), "the refused line is void");
}

#[test]
fn overlapping_blocks_are_hashed_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = part_with_blocks(folder.path(), &[5..8, 6..11, 7..12, 1..3, 2..6]);
    let found = resume(&path).unwrap();
    assert_eq!((found.prefix.size, found.ahead.end_after(4), found.ahead.end()), (4, 11, Some(11)));
}

#[test]
fn wrong_blocks_in_the_journal_prove_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = part_with_blocks(folder.path(), &[]);
    let mut journal = resume(&path).unwrap().journal;
    for (from, size) in [(u64::MAX, u64::MAX), (9, u64::MAX), (12, 1), (5, 0)] {
        journal.add_block(Block { from, size, xxh3: BlockHasher::default().finish() }).unwrap();
    }
    let found = resume(&path).unwrap();
    assert_eq!((found.prefix.size, found.ahead.end()), (4, None));
}
