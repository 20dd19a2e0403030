//! The free space of a disk. It is unknown where the system does not report it, or reports no figures.

use std::path::Path;

/// How many bytes the disk with `path` has left, where the system reports that.
#[cfg(unix)]
pub(super) fn disk_free_space(path: &Path) -> Option<u64> {
    // Where the disk can't be asked, its free space is unknown.
    let disk = rustix::fs::statvfs(path).ok()?;
    free_bytes(disk.f_blocks, disk.f_bavail, disk.f_frsize)
}

#[cfg(not(unix))]
pub(super) fn disk_free_space(_: &Path) -> Option<u64> {
    None
}

/// The free space of a disk with `blocks` blocks of `size` bytes. None when the figures mean nothing: file systems in user space
/// that know no figures give zeros, and a number below zero looks like more blocks than there are.
#[cfg(unix)]
fn free_bytes(blocks: u64, available: u64, size: u64) -> Option<u64> {
    (blocks > 0 && size > 0 && available <= blocks).then(|| available.saturating_mul(size))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn free_space_report_without_figures_is_unknown() {
        for (blocks, available, size, free) in [
            (100, 10, 4096, Some(40_960)),
            (100, 0, 4096, Some(0)),
            (0, 0, 4096, None),
            (0, 0, 0, None),
            (100, 10, 0, None),
            (100, u64::MAX - 5, 4096, None),
            (u64::MAX, u64::MAX, 4096, Some(u64::MAX)),
        ] {
            assert_eq!(free_bytes(blocks, available, size), free, "{blocks} {available} {size}");
        }
    }
}
