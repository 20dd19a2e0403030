//! Replaces a small file atomically and durably.
//!
//! The new bytes are written under a dot-name in the same folder, synced (by [`write`], or by the caller of [`stage`]), and
//! renamed over the old file. A reader sees the old file or the new one, also after a crash. A file that would not change is
//! left as it is. The caller syncs the folder ([`sync_folder`]) when that matters.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::Builder;

use super::dir::{Dir, OpenMode};
use super::new_file::NewFile;
use super::pending_replace::PendingReplace;
use super::synced_disk;
use crate::layout::{self, GALLERY, MANIFEST, SHA256SUMS, TEXT};
use crate::storage::Error;

/// Replaces `folder/name` with what `fill` writes. Whether the file changed.
pub(super) fn write(folder: &Path, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<bool, Error> {
    stage(&Dir::at(folder), name, fill)?.replace_old()
}

/// As [`write`], but an empty file is removed instead.
pub(super) fn write_or_remove(
    folder: &Path,
    name: &str,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<bool, Error> {
    let new = stage(&Dir::at(folder), name, fill)?;
    if new.is_empty().inspect_err(|_| new.discard())? { new.remove_old() } else { new.replace_old() }
}

/// Writes the new version of `name` in `dir`. The caller renames it once it is durable.
pub(super) fn stage(dir: &Dir, name: &str, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<PendingReplace, Error> {
    let mut new = NewFile::create(dir, name)?;
    fill(&mut new).and_then(|()| new.finish()).map_err(dir.failed("write", name))
}

/// Creates a file under an unused dot-name, in one of the two modes for new files. The library chooses the name; `dir` creates the
/// file.
pub(super) fn create_temporary(dir: &Dir, name: &str, open_mode: OpenMode) -> io::Result<(String, File)> {
    let create = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        dir.open(&name, open_mode).map(|file| (name, file))
    };
    // The library joins names to a folder that is of no use here. It looks up the working folder for one that is not absolute.
    let made = Builder::new().prefix(&format!(".{name}.")).make_in("/", create)?;
    let ((name, file), path) = made.into_parts();
    // It is removed by its name in the folder, not by this path.
    let _ = path.keep();
    Ok((name, file))
}

/// Checks, without a change, that [`replace`] can write a file that the user named.
///
/// # Errors
/// When it can't be replaced.
pub(crate) fn check_replaceable(path: &Path) -> Result<(), Error> {
    stage(&Dir::at(parent(path)), replaceable_name(path)?, |_| Ok(())).map(|probe| probe.discard())
}

/// A file without a name, which is gone when it is closed.
///
/// # Errors
/// When the folder for temporary files can't be written.
pub(crate) fn temporary_file() -> Result<File, Error> {
    tempfile::tempfile().map_err(Error::io("create a file in", &std::env::temp_dir()))
}

/// A new folder for temporary files, which is removed when it is dropped. Only this user can read it.
///
/// # Errors
/// When the folder for temporary files can't be written.
#[cfg(feature = "bucket")]
pub(in crate::storage) fn temporary_folder(prefix: &str) -> Result<tempfile::TempDir, Error> {
    Builder::new().prefix(prefix).tempdir().map_err(Error::io("create a folder in", &std::env::temp_dir()))
}

/// Replaces or creates a file that the user named. Whether it changed. It refuses to replace anything but a plain file, and also a
/// link: `/dev/stdout` is one.
///
/// # Errors
/// When the file can't be replaced, or the disk fails.
pub(crate) fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<bool, Error> {
    let is_changed = write(parent(path), replaceable_name(path)?, fill)?;
    sync_folder(parent(path)).map(|()| is_changed)
}

/// The name of a file that is a plain file or does not exist.
fn replaceable_name(path: &Path) -> Result<&str, Error> {
    let is_replaceable = fs::symlink_metadata(path).map_or(true, |found| found.is_file());
    let name = path.file_name().and_then(|name| name.to_str()).filter(|_| is_replaceable);
    name.ok_or_else(|| Error::NotReplaceable(path.to_owned()))
}

/// The canonical folder of a file that the user named.
///
/// # Errors
/// When the folder does not exist.
pub(crate) fn canonical_parent(path: &Path) -> Result<PathBuf, Error> {
    dunce::canonicalize(parent(path)).map_err(Error::io("open", parent(path)))
}

/// The folder of a path, as it is written.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Whether `name` is a temporary file that a killed writer left of one of this program's small files.
pub(super) fn is_leftover(name: &str) -> bool {
    [GALLERY, MANIFEST, SHA256SUMS, TEXT].iter().any(|ours| is_leftover_of(ours, name)) || is_leftover_of_suffixed_text(name)
}

/// Whether `name` is a temporary file of a text with a suffixed name.
fn is_leftover_of_suffixed_text(name: &str) -> bool {
    let text = name.strip_prefix('.').and_then(|name| name.match_indices('.').nth(1).map(|(at, _)| &name[..at]));
    text.is_some_and(|text| layout::is_text_name(text) && is_leftover_of(text, name))
}

/// Whether `name` is a temporary file that a killed writer left of `ours`.
pub(super) fn is_leftover_of(ours: &str, name: &str) -> bool {
    let rest = name.strip_prefix('.').and_then(|name| name.strip_prefix(ours)).and_then(|rest| rest.strip_prefix('.'));
    rest.is_some_and(|rest| !is_editor_suffix(rest))
}

/// Whether editors give such an ending to a file beside the one they have open: `.manifest.json.swp`.
fn is_editor_suffix(ending: &str) -> bool {
    ending.ends_with('~') || (ending.len() == 3 && ending.starts_with("sw"))
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    synced_disk::sync(folder).map_err(Error::io("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_is_replaced_atomically() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a", |to| to.write_all(b"one")).unwrap();
        let failed = write(folder.path(), "a", |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("broken"))
        });
        assert!(failed.unwrap_err().message().contains("broken"));
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn file_that_would_not_change_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let big = vec![b'x'; 200_000];
        let mut other = big.clone();
        other[150_000] = b'y';
        for (bytes, is_changed) in [(&big, true), (&big, false), (&other, true), (&other, false), (&Vec::new(), true)] {
            assert_eq!(write(folder.path(), "a", |to| to.write_all(bytes)).unwrap(), is_changed);
            assert_eq!(&fs::read(folder.path().join("a")).unwrap(), bytes);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        assert!(write_or_remove(folder.path(), "a", |_| Ok(())).unwrap());
        assert!(!write_or_remove(folder.path(), "a", |_| Ok(())).unwrap());
    }

    #[test]
    fn empty_file_is_removed_and_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let names = || fs::read_dir(folder.path()).unwrap().count();
        write_or_remove(folder.path(), "a", |_| Ok(())).unwrap();
        assert_eq!(names(), 0);
        write_or_remove(folder.path(), "a", |to| to.write_all(b"one")).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"one");
        write_or_remove(folder.path(), "a", |_| Err(io::Error::other("broken"))).unwrap_err();
        assert_eq!(names(), 1, "after an error the old file stays");
        write_or_remove(folder.path(), "a", |_| Ok(())).unwrap();
        assert_eq!(names(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn new_file_permissions_follow_the_umask() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        write(folder.path(), "a", |to| to.write_all(b"one")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&folder.path().join("a")), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn symlink_is_replaced_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"precious").unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join("a")).unwrap();
        write(folder.path(), "a", |to| to.write_all(b"one")).unwrap();
        assert_eq!(fs::read(&outside).unwrap(), b"precious");
    }

    #[test]
    fn leftover_temporary_files_are_recognized() {
        for name in [
            ".manifest.json.owner",
            ".manifest.json.x1",
            ".index.html.x2",
            ".SHA256SUMS.abc",
            ".text.txt.y",
            ".text-0123456789abcdef.txt.z",
        ] {
            assert!(is_leftover(name), "{name}");
        }
        for name in [
            "manifest.json",
            ".manifest.json",
            ".manifest.jsonx",
            ".DS_Store",
            "text.txt.x",
            ".lock",
            ".manifest.json.swp",
            ".text.txt.un~",
            ".text-notes.txt.z",
            ".text-0123456789abcdef.txt",
            ".video-1.mp4.sha256",
        ] {
            assert!(!is_leftover(name), "{name}");
        }
    }
}
