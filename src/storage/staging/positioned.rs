//! Reads and writes at an offset, never at a file's shared cursor.
//!
//! Several threads use one handle of a part file at once. On Windows even a write at an offset moves the cursor of the handle,
//! so a `seek` followed by a `read` can return bytes from another offset. No module of storage seeks in a file that another thread
//! may use.

use std::fs::File;
use std::io;

/// Reads up to `to.len()` bytes at `offset`; 0 at the end of the file.
pub(in crate::storage) fn read_at(file: &File, to: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::read_at(file, to, offset);
    #[cfg(windows)]
    match std::os::windows::fs::FileExt::seek_read(file, to, offset) {
        // Windows reports an offset beyond the end of the file as an error.
        Err(error) if error.raw_os_error() == Some(ERROR_HANDLE_EOF) => Ok(0),
        read => read,
    }
}

#[cfg(windows)]
const ERROR_HANDLE_EOF: i32 = 38;

/// Writes all of `bytes` at `offset`.
pub(in crate::storage) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    return std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
    #[cfg(windows)]
    {
        let (mut bytes, mut offset) = (bytes, offset);
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(file, bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => (bytes, offset) = (&bytes[written..], offset + written as u64),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads the bytes from `from` to `to` in blocks and passes each to `on_block`. Returns the offset at which it stopped: `to`, or
/// the end of a file that is shorter.
pub(in crate::storage) fn read_range(file: &File, from: u64, to: u64, mut on_block: impl FnMut(&[u8])) -> io::Result<u64> {
    let mut block = vec![0; BLOCK.min(usize::try_from(to.saturating_sub(from)).unwrap_or(BLOCK))];
    let mut at = from;
    while at < to {
        let wanted = block.len().min(usize::try_from(to - at).unwrap_or(BLOCK));
        match read_at(file, &mut block[..wanted], at) {
            Ok(0) => break,
            Ok(read) => {
                on_block(&block[..read]);
                at += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(at)
}

const BLOCK: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn range_read_ignores_concurrent_writes_elsewhere() {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, &[7; 4096], 0).unwrap();
        let (file, is_done) = (&file, &AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    write_all_at(file, &[9; 4096], 1 << 20).unwrap();
                }
            });
            for _ in 0..2000 {
                let mut bytes = Vec::new();
                read_range(file, 0, 4096, |block| bytes.extend_from_slice(block)).unwrap();
                assert_eq!(bytes, [7; 4096]);
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn range_past_the_end_stops_at_the_end() {
        let file = tempfile::tempfile().unwrap();
        write_all_at(&file, b"abc", 0).unwrap();
        let mut bytes = Vec::new();
        assert_eq!(read_range(&file, 1, 4, |block| bytes.extend_from_slice(block)).unwrap(), 3);
        assert_eq!(bytes, b"bc");
        assert_eq!(read_at(&file, &mut [0; 4], 1000).unwrap(), 0);
        read_range(&file, 2, 2, |_| panic!("an empty range has no block")).unwrap();
    }
}
