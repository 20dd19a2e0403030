//! The generated page beside a manifest: `index.html`.
//!
//! This program's pages begin with a signature; any other file of that name is never overwritten. The page is generated and
//! written under the root's lock, so of several processes the last one includes the tasks of all. A page that would not change
//! is not written.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::lock::{Lock, LockWait};
use super::{atomic, path_check};
use crate::layout::GALLERY;
use crate::storage::Error;

/// The place of the page, which is free or holds one of this program's pages.
pub(crate) struct OutputFile {
    folder: PathBuf,
    signature: &'static str,
}

impl OutputFile {
    /// The page in `folder`. This program's pages begin with `signature`.
    ///
    /// # Errors
    /// When another file has the name.
    pub(crate) fn at(folder: &Path, signature: &'static str) -> Result<Self, Error> {
        let page = Self { folder: folder.to_owned(), signature };
        page.refuse_foreign()?;
        Ok(page)
    }

    /// Writes the page that `generate` returns, unless the file holds it already. Whether the file changed.
    ///
    /// # Errors
    /// The error of `generate`, or when the disk fails. Then the old page is unchanged.
    pub(crate) fn update(&self, wait: &LockWait, generate: impl FnOnce() -> Result<String, Error>) -> Result<bool, Error> {
        let _lock = Lock::lock_folder(&self.folder, wait).map_err(|error| match error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Error::NoArchive(self.folder.clone()),
            error => error,
        })?;
        let text = generate()?;
        self.refuse_foreign()?;
        if self.holds(&text) {
            return Ok(false);
        }
        atomic::write(&self.folder, GALLERY, |to| to.write_all(text.as_bytes()))?;
        atomic::sync_folder(&self.folder).map(|()| true)
    }

    /// Whether the file has this text. The length is compared first, because a file of any length may be there.
    fn holds(&self, text: &str) -> bool {
        let path = self.folder.join(GALLERY);
        let has_length = fs::metadata(&path).is_ok_and(|found| found.len() == text.len() as u64);
        has_length && fs::read(&path).is_ok_and(|old| old == text.as_bytes())
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
            // A file that is too short for the signature, or can't be read, is not overwritten either.
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
