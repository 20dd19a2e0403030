//! Path checks that open no file and follow no symlink inside the archive.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use crate::domain::event::Fault;
use crate::storage::Error;

/// The fault of the file that should be at `path` below `root`: a plain file, of `size` bytes when that is known. `path` has at
/// most one folder. `root` itself may be a symlink.
pub(in crate::storage) fn check_file(root: &Path, path: &str, size: Option<u64>) -> io::Result<Option<Fault>> {
    Ok(match checked_size(root, path)? {
        Ok(found) => size.filter(|size| *size != found).map(|_| Fault::Damaged),
        Err(fault) => Some(fault),
    })
}

/// The size of the plain file that should be at `path` below `root`, or its fault. `root` itself may be a symlink.
pub(in crate::storage) fn checked_size(root: &Path, path: &str) -> io::Result<Result<u64, Fault>> {
    if let Some((folder, _)) = path.rsplit_once('/')
        && lstat(&root.join(folder))?.is_some_and(|found| !found.is_dir())
    {
        return Ok(Err(Fault::Unsafe));
    }
    Ok(match lstat(&root.join(path))? {
        None => Err(Fault::Missing),
        Some(found) if found.is_symlink() => Err(Fault::Unsafe),
        Some(found) if !found.is_file() => Err(Fault::Damaged),
        Some(found) => Ok(found.len()),
    })
}

/// Whether `path` is a plain file of `size` bytes. A symlink is not, and neither is a name that the disk can't have.
///
/// # Errors
/// When the disk can't say.
pub(in crate::storage) fn is_file_with_size(path: &Path, size: u64) -> io::Result<bool> {
    match lstat(path) {
        Err(error) if error.kind() == io::ErrorKind::InvalidFilename => Ok(false),
        found => Ok(found?.is_some_and(|found| found.is_file() && found.len() == size)),
    }
}

/// The status of `path`; of a symlink itself, not of its target. None when it does not exist.
pub(in crate::storage) fn lstat(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses an export target that is the archive, a canonical path, or is in it. The target may not exist yet.
///
/// # Errors
/// When it is.
pub(crate) fn refuse_archive(path: &Path, archive: &Path) -> Result<(), Error> {
    let existing = path.ancestors().map(|path| if path.as_os_str().is_empty() { Path::new(".") } else { path });
    let existing = existing.filter_map(|path| dunce::canonicalize(path).ok());
    match existing.take(1).any(|path| path.starts_with(archive)) {
        true => Err(Error::InArchive(path.to_owned())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_faults_are_found_without_opening_files() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        fs::create_dir_all(root.join("t/folder")).unwrap();
        fs::write(root.join("t/file"), b"abc").unwrap();
        for (path, size, fault) in [
            ("t/file", Some(3), None),
            ("t/file", None, None),
            ("t/file", Some(4), Some(Fault::Damaged)),
            ("t/folder", None, Some(Fault::Damaged)),
            ("t/nothing", Some(3), Some(Fault::Missing)),
            ("nowhere/file", Some(3), Some(Fault::Missing)),
            ("t/file/file", Some(3), Some(Fault::Unsafe)),
        ] {
            assert_eq!(check_file(root, path, size).unwrap(), fault, "{path} {size:?}");
        }
        let is_file_of = |path: &str, size| is_file_with_size(&root.join(path), size).unwrap();
        assert!(is_file_of("t/file", 3) && !is_file_of("t/file", 4));
        assert!(!is_file_of("t/nothing", 0) && !is_file_of("t/folder", 0));
        assert!(!is_file_of(&"x".repeat(300), 0), "no file has such a name");
    }

    #[cfg(unix)]
    #[test]
    fn symlinks_are_unsafe_except_the_root() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (root, linked) = (folder.path().join("root"), folder.path().join("linked"));
        fs::create_dir_all(root.join("t")).unwrap();
        fs::write(root.join("t/file"), b"abc").unwrap();
        symlink("t", root.join("link")).unwrap();
        symlink("file", root.join("t/link")).unwrap();
        symlink(root.join("t"), &linked).unwrap();
        assert_eq!(check_file(&root, "link/file", Some(3)).unwrap(), Some(Fault::Unsafe));
        assert_eq!(check_file(&root, "t/link", Some(3)).unwrap(), Some(Fault::Unsafe));
        assert_eq!(check_file(&linked, "file", Some(3)).unwrap(), None);
    }
}
