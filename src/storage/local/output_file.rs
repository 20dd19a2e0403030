//! A page of ours beside a manifest, made from it: `index.html`.
//!
//! It is ours when it begins with our mark; anything else of that name is never overwritten. It is made and written under
//! the root's lock, so that of many processes the last one writes what all of them have archived. One that would not
//! change is not written.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::lock::{Lock, LockWait};
use super::{atomic, path_check};
use crate::layout::GALLERY;
use crate::storage::Error;

/// The place of a page, where there is none or one of ours.
pub(crate) struct OutputFile {
    folder: PathBuf,
    signature: &'static str,
}

impl OutputFile {
    /// The place of the page in `folder`; ours begin with `mark`.
    ///
    /// # Errors
    /// When a page stands there that is not ours.
    pub(crate) fn at(folder: &Path, mark: &'static str) -> Result<Self, Error> {
        let page = Self { folder: folder.to_owned(), signature: mark };
        page.refuse_foreign()?;
        Ok(page)
    }

    /// Writes the page that `make` gives, unless it stands there already.
    ///
    /// # Errors
    /// What `make` reports, or when the disk says no; the old page then still stands.
    pub(crate) fn update(&self, wait: &LockWait, make: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
        let _lock = Lock::lock_folder(&self.folder, wait).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Error::NoArchive(self.folder.clone()),
            error => error,
        })?;
        let text = make()?;
        self.refuse_foreign()?;
        if fs::read(self.folder.join(GALLERY)).is_ok_and(|old| old == text.as_bytes()) {
            return Ok(());
        }
        atomic::write(&self.folder, GALLERY, |to| to.write_all(text.as_bytes()))?;
        atomic::sync_folder(&self.folder)
    }

    fn refuse_foreign(&self) -> Result<(), Error> {
        let path = self.folder.join(GALLERY);
        let begins_as_ours = || -> io::Result<bool> {
            let mut beginning = vec![0; self.signature.len()];
            File::open(&path)?.read_exact(&mut beginning)?;
            Ok(beginning == self.signature.as_bytes())
        };
        match path_check::lstat(&path).map_err(Error::io("read", &path))? {
            None => Ok(()),
            // One that is too short for the mark, or can't be read, is nobody's to overwrite either.
            Some(found) if found.is_file() && begins_as_ours().unwrap_or(false) => Ok(()),
            Some(_) => Err(Error::Foreign(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: &str = "<!-- ours -->";

    #[test]
    fn foreign_page_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let wait = LockWait::new(tokio_util::sync::CancellationToken::new(), |_| ());
        let path = folder.path().join(GALLERY);
        for foreign in ["", "<", "<!-- theirs -->", " <!-- ours -->"] {
            fs::write(&path, foreign).unwrap();
            assert!(matches!(OutputFile::at(folder.path(), MARK), Err(Error::Foreign(_))), "{foreign:?}");
        }
        fs::remove_file(&path).unwrap();
        let page = OutputFile::at(folder.path(), MARK).unwrap();
        page.update(&wait, || Ok(format!("{MARK}1"))).unwrap();
        OutputFile::at(folder.path(), MARK).unwrap().update(&wait, || Ok(format!("{MARK}2"))).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{MARK}2"));
        fs::write(&path, "theirs, meanwhile").unwrap();
        assert!(page.update(&wait, || Ok(format!("{MARK}3"))).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs, meanwhile");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(OutputFile::at(folder.path(), MARK).is_err());
    }
}
