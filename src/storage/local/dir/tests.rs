use std::fs;
use std::io::Write;

use super::*;

#[test]
fn dir_creates_finds_renames_and_removes_files() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::at(folder.path());
    assert!(dir.stat("a").unwrap().is_none());
    dir.open("a", OpenMode::CreateNew).unwrap().write_all(b"abc").unwrap();
    assert_eq!(dir.open("a", OpenMode::CreateNew).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    dir.open("a", OpenMode::Append).unwrap().write_all(b"d").unwrap();
    let found = dir.stat("a").unwrap().unwrap();
    assert_eq!((found.is_file, found.is_folder, found.size, found.is_hard_link), (true, false, 4, false));
    assert!(dir.check_trusted("a").unwrap());
    fs::write(folder.path().join("b"), b"old").unwrap();
    dir.rename("a", "b").unwrap();
    assert_eq!(dir.names().unwrap(), ["b"]);
    assert_eq!(fs::read(folder.path().join("b")).unwrap(), b"abcd");
    dir.remove("b").unwrap();
    dir.remove("b").unwrap();
    assert!(dir.names().unwrap().is_empty());
}

#[test]
fn threads_probe_the_owner_of_new_files_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (dir, barrier) = (&Dir::at(folder.path()), &std::sync::Barrier::new(8));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                barrier.wait();
                for _ in 0..1000 {
                    assert_eq!(dir.probe_new_file_owner().unwrap(), Some(system::user()));
                }
            });
        }
    });
    assert!(dir.names().unwrap().is_empty());
}

#[test]
fn new_names_never_replace_anything() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::at(folder.path());
    for name in ["new", "taken"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    dir.create_subfolder("folder").unwrap();
    let is_taken = |done: io::Result<()>| done.unwrap_err().kind() == io::ErrorKind::AlreadyExists;
    for name in ["taken", "folder"] {
        assert!(is_taken(dir.rename_new("new", name)), "{name}");
        assert!(is_taken(dir.rename_to_free_name("new", name)), "{name}");
        assert!(is_taken(dir.hard_link(&folder.path().join("new"), name)), "{name}");
        assert!(is_taken(dir.create_subfolder(name)), "{name}");
    }
    assert_eq!(fs::read(folder.path().join("taken")).unwrap(), b"taken");
    dir.rename_new("new", "moved").unwrap();
    assert_eq!(dir.stat("new").unwrap().map(|found| found.is_file), None);
    assert_eq!(fs::read(folder.path().join("moved")).unwrap(), b"new");
    dir.subfolder("folder").unwrap().hard_link(&folder.path().join("moved"), "second").unwrap();
    assert_eq!(fs::read(folder.path().join("folder/second")).unwrap(), b"new");
    assert!(dir.stat("folder").unwrap().unwrap().is_folder);
}

#[test]
fn reflink_has_the_bytes_of_its_source_or_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("source"), b"abc").unwrap();
    let source = File::open(folder.path().join("source")).unwrap();
    match Dir::at(folder.path()).reflink(&source, "clone").unwrap() {
        Some(_) => assert_eq!(fs::read(folder.path().join("clone")).unwrap(), b"abc"),
        None => assert!(!folder.path().join("clone").exists()),
    }
}

#[cfg(unix)]
#[test]
fn symlinks_are_no_subfolders() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::at(folder.path());
    dir.create_subfolder("real").unwrap();
    dir.symlink(Path::new("real"), "link").unwrap();
    assert!(dir.subfolder("real").is_ok() && dir.subfolder("link").is_err());
    assert_eq!(dir.read_link("link").unwrap(), Path::new("real"));
    assert_eq!(dir.symlink(Path::new("x"), "link").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn hard_link_is_detected_and_not_opened_for_writing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("elsewhere"), b"precious").unwrap();
    fs::hard_link(folder.path().join("elsewhere"), folder.path().join("a")).unwrap();
    let dir = Dir::at(folder.path());
    let found = dir.stat("a").unwrap().unwrap();
    assert!(found.is_hard_link);
    assert!(!dir.check_trusted("a").unwrap());
    if cfg!(unix) {
        for mode in [OpenMode::Append, OpenMode::ReadWrite] {
            assert!(dir.open("a", mode).is_err(), "also a link that was made after the check");
        }
    }
}
