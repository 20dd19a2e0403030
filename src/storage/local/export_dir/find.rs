//! What a killed run left under the name that it planned.

use std::io;

use super::{ExportDir, link_target, split};
use crate::domain::export_record::ExportedFile;
use crate::integrity::digest::hash_reader;
use crate::storage::Error;
use crate::storage::local::dir::OpenMode;
use crate::storage::local::staged_copy::CopySource;

/// What has the name that was planned for a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    Nothing,
    /// The exported file.
    Exported,
    /// Something else.
    Other,
}

impl ExportDir {
    /// What has the name of a planned file, which has the bytes of `source`, or of the recorded hash.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) fn find(&mut self, file: &ExportedFile, source: &CopySource) -> Result<Found, Error> {
        let path = self.path.join(&file.name);
        let (folder, name) = split(&file.name);
        let dir = match self.dir(folder, false) {
            Ok(dir) => dir,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            // A symlink or a file has taken the place of the folder.
            Err(_) => return Ok(Found::Other),
        };
        let read_error = |error| Error::io("read", &path)(error);
        let Some(found) = dir.stat(name).map_err(read_error)? else { return Ok(Found::Nothing) };
        let is_exported = if found.is_file {
            let hash = || dir.open(name, OpenMode::Read).and_then(hash_reader).map(|(sha256, _)| sha256).map_err(read_error);
            let expected = file.sha256.as_ref().unwrap_or(&source.sha256);
            (file.sha256.is_some() || found.size == source.size) && hash()? == *expected
        } else {
            dir.read_link(name).is_ok_and(|target| target == link_target(&self.folder_path(folder), source))
        };
        Ok(if is_exported { Found::Exported } else { Found::Other })
    }
}
