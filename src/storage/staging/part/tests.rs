//! What a drop, a restart and a kill leave of a part, in memory and on the disk.

use std::fs;
use std::path::Path;

use super::*;
use crate::domain::asset_key::{AssetKey, Kind};
use crate::integrity::digest::Sha256Hex;
use crate::integrity::remote_version::Validator;
use crate::storage::staging::held::MAX_HELD;
use crate::storage::staging::write_back;

pub(in crate::storage) fn version() -> RemoteVersion {
    RemoteVersion { validator: Validator::Etag("\"a\"".to_owned()), total: None }
}

/// The part called `.video-1.part` in `folder`.
pub(in crate::storage) fn begun(folder: &Path) -> Part {
    Part::new(Dir::at(folder), ".video-1.part".to_owned())
}

pub(in crate::storage) fn resume(folder: &Path) -> Part {
    Part::resume(Dir::at(folder), ".video-1.part".to_owned()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn dropped_part_without_a_version_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = begun(folder.path());
    assert!(names(folder.path()).is_empty(), "without a byte there is no file");
    part.write_all(b"abc").unwrap();
    assert_eq!(names(folder.path()), [".video-1.part"]);
    drop(part);
    assert!(names(folder.path()).is_empty());
    let mut part = begun(folder.path());
    part.write_all(b"abc").unwrap();
    drop(part.seal());
    assert!(names(folder.path()).is_empty());
}

#[test]
fn restart_discards_all_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = begun(folder.path());
    part.write_all(b"abc").unwrap();
    part.restart().unwrap();
    part.write_all(b"x").unwrap();
    let sealed = part.seal();
    assert_eq!((sealed.size(), sealed.head()), (1, (&b"x"[..], true)));
    assert_eq!(sealed.sha256(), &Sha256Hex::digest(b"x"));
}

#[cfg(unix)]
#[test]
fn symlinked_part_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::write(&outside, b"precious").unwrap();
    std::os::unix::fs::symlink(&outside, folder.path().join(".video-1.part")).unwrap();
    let mut part = begun(folder.path());
    part.write_all(b"abc").unwrap();
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
}

#[test]
fn dropped_part_of_a_known_version_resumes_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".video-1.part");
    let mut part = begun(folder.path());
    part.set_version(version()).unwrap();
    part.write_all(b"abc").unwrap();
    drop(part);
    let mut part = resume(folder.path());
    assert_eq!((part.size(), part.version()), (3, Some(&version())));
    part.write_all(b"def").unwrap();
    let sealed = part.seal();
    assert_eq!((sealed.head(), sealed.sha256()), ((&b"abcdef"[..], true), &Sha256Hex::digest(b"abcdef")));
    drop(sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"abcdef");
}

#[test]
fn dropped_part_with_a_failed_sync_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = begun(folder.path());
    part.set_version(version()).unwrap();
    part.write_all(b"abc").unwrap();
    part.write_back = write_back::tests::failing();
    drop(part);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn resume_continues_at_the_last_4_mib_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = begun(folder.path());
    part.set_version(version()).unwrap();
    for _ in 0..11 {
        part.write_all(&vec![5; 1 << 20]).unwrap();
    }
    // What the disk has now, without what a drop adds.
    for name in [".video-1.part", ".video-1.journal"] {
        fs::copy(folder.path().join(name), folder.path().join(name.replace("-1", "-2"))).unwrap();
    }
    let resumed = Part::resume(Dir::at(folder.path()), ".video-2.part".to_owned()).unwrap();
    assert_eq!(resumed.size(), 8 << 20);
}

fn held(folder: &Path) -> Part {
    Part::new_held(Dir::at(folder), ".video-1.part".to_owned())
}

#[test]
fn small_part_of_a_new_folder_is_in_memory_until_its_task_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = held(folder.path());
    part.set_version(version()).unwrap();
    part.write_all(b"abc").unwrap();
    part.write_all(b"def").unwrap();
    let sealed = part.seal();
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut sealed.reader().unwrap(), &mut bytes).unwrap();
    assert_eq!((bytes.as_slice(), sealed.sha256()), (&b"abcdef"[..], &Sha256Hex::digest(b"abcdef")));
    let mut staged = sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap();
    assert!(names(folder.path()).is_empty());
    staged.write_to_disk().unwrap();
    staged.write_to_disk().unwrap();
    assert_eq!(fs::read(staged.path()).unwrap(), b"abcdef");
    assert_eq!(names(folder.path()), [".video-1.part"]);
}

#[test]
fn part_that_outgrows_the_memory_is_written_with_all_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for more in [0, 1, MAX_HELD] {
        let mut part = held(folder.path());
        part.set_version(version()).unwrap();
        let bytes = vec![7; MAX_HELD + more];
        part.write_all(&bytes[..MAX_HELD]).unwrap();
        assert!(part.file.is_none());
        part.write_all(&bytes[MAX_HELD..]).unwrap();
        assert_eq!(part.file.is_some(), more > 0);
        let sealed = part.seal();
        assert_eq!((sealed.size(), sealed.sha256()), (bytes.len() as u64, &Sha256Hex::digest(&bytes)));
        let mut staged = sealed.into_staged(AssetKey { kind: Kind::Video, index: 1 }, "video-1.mp4", None).unwrap();
        staged.write_to_disk().unwrap();
        assert!(fs::read(staged.path()).unwrap() == bytes);
    }
}

#[test]
fn dropped_part_in_memory_is_written_if_it_can_be_continued() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = held(folder.path());
    part.write_all(b"abc").unwrap();
    drop(part);
    assert!(names(folder.path()).is_empty(), "of an unknown version");
    let mut part = held(folder.path());
    part.set_version(version()).unwrap();
    drop(part);
    assert!(names(folder.path()).is_empty(), "without a byte");
    let mut part = held(folder.path());
    part.set_version(version()).unwrap();
    part.write_all(b"abc").unwrap();
    drop(part);
    assert_eq!(resume(folder.path()).size(), 3);
}

#[test]
fn restarted_part_in_memory_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = held(folder.path());
    part.write_all(b"abc").unwrap();
    part.restart().unwrap();
    part.write_all(b"x").unwrap();
    assert_eq!(part.seal().sha256(), &Sha256Hex::digest(b"x"));
    let mut part = held(folder.path());
    part.set_max_size(Some(2));
    assert!(part.write_all(b"abc").is_err(), "a limit counts in memory, too");
}

#[test]
fn version_that_becomes_better_known_keeps_what_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let mut part = begun(folder.path());
    part.set_version(version()).unwrap();
    part.write_all(&vec![5; 5 << 20]).unwrap();
    part.set_version(RemoteVersion { total: Some(9 << 20), ..version() }).unwrap();
    for name in [".video-1.part", ".video-1.journal"] {
        fs::copy(folder.path().join(name), folder.path().join(name.replace("-1", "-2"))).unwrap();
    }
    let resumed = Part::resume(Dir::at(folder.path()), ".video-2.part".to_owned()).unwrap();
    assert_eq!((resumed.size(), resumed.version().unwrap().total), (5 << 20, Some(9 << 20)));
}
