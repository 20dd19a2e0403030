//! A small file with secrets, in a folder of this program in the user's own settings.
//!
//! Owns how such a file is created, replaced, read and removed. It has mode 0600 before its first byte is written, and a folder
//! that is made for it has mode 0700; on Windows both inherit the access list of the user's own folder. The new version is
//! written under a dot-name, synced and renamed, so that a reader finds the old version or the new one. It refuses to write
//! into a folder that is a symlink, and to read a file that is one. A symlink or a hard link in place of the file is replaced
//! and never written into.
//!
//! Error is not absence: only a name that does not exist means that there is no file.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::atomic;
use super::dir::{Dir, OpenMode};
use super::pending_replace::PendingReplace;
use crate::storage::Error;

/// Reads the file at `path`, up to `limit` bytes; none if it does not exist.
///
/// # Errors
/// When it can't be read, is longer, or is no plain file.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let (dir, name) = (Dir::at(atomic::parent(path)), file_name(path)?);
    let found = match dir.stat(name) {
        // A file is where the folder would be.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(None),
        found => found.map_err(Error::io("read", path))?,
    };
    let Some(found) = found else { return Ok(None) };
    if !found.is_file {
        return Err(Error::io("read", path)(io::Error::other("it is not a plain file")));
    }
    let mut bytes = Vec::new();
    let read = dir.open(name, OpenMode::Read).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::io("read", path)(io::Error::other(format!("it is longer than {limit} bytes"))));
    }
    Ok(Some(bytes))
}

/// Replaces or creates the file at `path`, which only this user can read.
///
/// # Errors
/// When it can't be written. The old version is then as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (dir, name) = (create_folder(atomic::parent(path))?, file_name(path)?);
    remove_leftovers(&dir, name)?;
    let created = atomic::create_temporary(&dir, name, OpenMode::CreatePrivate);
    let (temp_name, mut file) = created.map_err(Error::io("create", path))?;
    let pending = PendingReplace::new(dir, temp_name, name);
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", path));
    // Some systems can't rename an open file.
    drop(file);
    written.and_then(|()| pending.rename_into_place()).inspect_err(|_| pending.discard())?;
    atomic::sync_folder(atomic::parent(path))
}

/// Removes the file at `path`, or the symlink there, and what killed writers left of it. Whether there was one.
///
/// # Errors
/// When it can't be removed.
pub(crate) fn remove(path: &Path) -> Result<bool, Error> {
    let (dir, name) = (Dir::at(atomic::parent(path)), file_name(path)?);
    let found = match dir.stat(name) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(false),
        found => found.map_err(Error::io("remove", path))?,
    };
    if found.is_some() {
        dir.remove(name).map_err(Error::io("remove", path))?;
    }
    if atomic::parent(path).is_dir() {
        remove_leftovers(&dir, name)?;
    }
    Ok(found.is_some())
}

/// Creates the folder, unless it exists, and opens it.
fn create_folder(path: &Path) -> Result<Dir, Error> {
    let (outer, name) = (atomic::parent(path), file_name(path)?);
    create_private(outer, true).and_then(|()| create_private(path, false)).map_err(Error::io("create", path))?;
    let dir = Dir::at(outer);
    let found = dir.stat(name).map_err(Error::io("open", path))?;
    if !found.is_some_and(|found| found.is_folder) {
        let message = "it is a symlink or no folder, and keys are not saved through one; put a folder in its place";
        return Err(Error::io("open", path)(io::Error::other(message)));
    }
    dir.subfolder(name).map_err(Error::io("open", path))
}

/// Creates a folder that only this user can enter, unless the name is taken.
fn create_private(path: &Path, is_recursive: bool) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(is_recursive);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        created => created,
    }
}

/// Removes what killed writers left: it holds secrets, too.
fn remove_leftovers(dir: &Dir, name: &str) -> Result<(), Error> {
    let names = dir.names().map_err(dir.failed("list", ""))?;
    let mut leftovers = names.iter().filter(|other| atomic::is_leftover_of(name, other));
    leftovers.try_for_each(|other| dir.remove(other).map_err(dir.failed("remove", other)))
}

/// The name of a file of this program.
fn file_name(path: &Path) -> Result<&str, Error> {
    path.file_name().and_then(|name| name.to_str()).ok_or_else(|| Error::NotReplaceable(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        Dir::at(folder).names().unwrap()
    }

    #[test]
    fn file_is_created_replaced_read_and_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b/own/keys.toml");
        assert!(read(&path, 9).unwrap().is_none());
        assert!(!remove(&path).unwrap());
        replace(&path, b"one").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(read(&path, 6).unwrap().unwrap(), b"second");
        assert!(read(&path, 5).unwrap_err().message().contains("longer than 5 bytes"));
        fs::write(path.with_file_name(".keys.toml.x1"), b"of a killed run").unwrap();
        fs::write(path.with_file_name("config.toml"), b"jobs = 1").unwrap();
        replace(&path, b"third").unwrap();
        assert_eq!(names(path.parent().unwrap()).len(), 2, "nothing else is left");
        fs::write(path.with_file_name(".keys.toml.x2"), b"of a killed run").unwrap();
        assert!(remove(&path).unwrap() && !remove(&path).unwrap());
        assert_eq!(names(path.parent().unwrap()), ["config.toml"]);
    }

    #[test]
    fn what_is_no_plain_file_is_an_error_and_stays() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("own/keys.toml");
        fs::create_dir_all(&path).unwrap();
        assert!(read(&path, 9).unwrap_err().message().contains("not a plain file"));
        assert!(replace(&path, b"x").is_err() && remove(&path).is_err() && path.is_dir());
        assert_eq!(names(path.parent().unwrap()), ["keys.toml"], "nothing else is left");
        let under_a_file = home.path().join("file/keys.toml");
        fs::write(home.path().join("file"), b"").unwrap();
        assert!(read(&under_a_file, 9).unwrap().is_none() && !remove(&under_a_file).unwrap());
        assert!(replace(&under_a_file, b"x").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_what_is_created() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config/own/keys.toml");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        replace(&path, b"x").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&home.path().join("config"))), (0o600, 0o700, 0o700));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"y").unwrap();
        assert_eq!(mode(&path), 0o600, "the new version does not inherit the mode of the old one");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_or_read_through_a_link() {
        use std::os::unix::fs::symlink;
        let home = tempfile::tempdir().unwrap();
        let (path, outside) = (home.path().join("own/keys.toml"), home.path().join("outside"));
        fs::write(&outside, b"precious").unwrap();
        fs::create_dir(home.path().join("own")).unwrap();
        symlink(&outside, &path).unwrap();
        assert!(read(&path, 99).unwrap_err().message().contains("not a plain file"));
        replace(&path, b"x").unwrap();
        assert!(path.symlink_metadata().unwrap().is_file());
        fs::remove_file(&path).unwrap();
        fs::hard_link(&outside, &path).unwrap();
        replace(&path, b"y").unwrap();
        assert_eq!((fs::read(&outside).unwrap(), fs::read(&path).unwrap()), (b"precious".to_vec(), b"y".to_vec()));
        symlink(home.path(), home.path().join("link")).unwrap();
        let error = replace(&home.path().join("link/keys.toml"), b"x").unwrap_err().message();
        assert!(error.contains("it is a symlink") && !home.path().join("keys.toml").exists(), "{error}");
        // The link itself is removed, and not its target.
        fs::remove_file(&path).unwrap();
        symlink(&outside, &path).unwrap();
        assert!(remove(&path).unwrap() && outside.exists() && path.symlink_metadata().is_err());
    }
}
