//! The folders below the target folder. Each is opened below its parent, so that no symlink is followed, and never is the archive.

use std::io;
use std::path::PathBuf;

use super::ExportDir;
use crate::storage::local::dir::Dir;

impl ExportDir {
    /// The path of a folder below the target folder, or of that one.
    pub(super) fn folder_path(&self, folder: &str) -> PathBuf {
        // Joining an empty path would add a separator.
        if folder.is_empty() { self.path.clone() } else { self.path.join(folder) }
    }

    /// The folder of a name, below the target folder.
    pub(super) fn dir(&mut self, folder: &str, creates: bool) -> io::Result<Dir> {
        match &self.folder {
            Some((path, dir)) if path == folder => return Ok(dir.clone()),
            _ => {}
        }
        let mut dir = self.root.clone();
        let mut path = self.path.clone();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            let inner = match dir.subfolder(name) {
                Err(error) if creates && error.kind() == io::ErrorKind::NotFound => {
                    dir.create_subfolder(name)?;
                    self.changed_folders.insert(path.clone());
                    dir.subfolder(name)?
                }
                inner => inner?,
            };
            path.push(name);
            if path == self.archive {
                return Err(io::Error::other("it is the archive"));
            }
            dir = inner;
        }
        self.folder = Some((folder.to_owned(), dir.clone()));
        Ok(dir)
    }
}
