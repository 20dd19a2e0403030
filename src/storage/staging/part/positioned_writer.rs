//! Writes bytes of a part at their offsets, from several connections, beyond the prefix that is hashed in order.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::storage::staging::positioned;

/// Writes beyond the hashed prefix of a part. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PositionedWriter(pub(super) Arc<File>);

impl PositionedWriter {
    /// Writes `bytes` at `offset`.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        positioned::write_all_at(&self.0, bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use crate::integrity::digest::Sha256Hex;
    use crate::storage::staging::part::tests::{begun, resume, version};

    #[test]
    fn bytes_written_ahead_are_hashed_on_advance() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = begun(folder.path());
        part.set_version(version());
        part.write_all(b"ab").unwrap();
        let ahead = part.positioned_writer().unwrap();
        ahead.write_at(b"ef", 4).unwrap();
        ahead.write_at(b"cd", 2).unwrap();
        assert_eq!(part.size(), 2);
        part.advance(6).unwrap();
        assert!(part.advance(7).is_err(), "bytes that were never written can't be read back");
        part.write_all(b"g").unwrap();
        assert_eq!(part.seal().sha256(), &Sha256Hex::digest(b"abcdefg"));
    }

    #[test]
    fn bytes_ahead_of_the_hashed_prefix_are_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".video-1.part");
        let mut part = begun(folder.path());
        part.set_version(version());
        part.write_all(b"ab").unwrap();
        part.positioned_writer().unwrap().write_at(b"ef", 4).unwrap();
        drop(part);
        assert_eq!(resume(folder.path()).size(), 2);
        assert_eq!(fs::read(path).unwrap(), b"ab");
    }
}
