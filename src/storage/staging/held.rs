//! The bytes of a small file in memory, before there is a file on the disk.
//!
//! All of them together are bounded: a host that sends the beginning of many files must not fill the memory. Where there is no
//! room, the bytes go to the disk.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most bytes of one file.
pub(super) const MAX_HELD: usize = 64 << 10;
/// The most bytes of all files of this process.
const MAX_TOTAL: usize = 64 << 20;

/// How many bytes are held now.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

/// The bytes of one file.
#[derive(Default)]
pub(super) struct HeldBytes(Vec<u8>);

impl HeldBytes {
    /// Adds bytes. False when there is no room for them: then nothing changes.
    pub(super) fn extend(&mut self, bytes: &[u8]) -> bool {
        if !self.has_room(bytes.len()) || !reserve(&TOTAL, bytes.len(), MAX_TOTAL) {
            return false;
        }
        self.0.extend_from_slice(bytes);
        true
    }

    /// Whether so many bytes more are few enough.
    pub(super) fn has_room(&self, more: usize) -> bool {
        self.0.len() + more <= MAX_HELD
    }

    /// Removes all bytes.
    pub(super) fn clear(&mut self) {
        TOTAL.fetch_sub(self.0.len(), Ordering::Relaxed);
        self.0.clear();
    }

    pub(super) fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Adds `more` to `total`, unless that becomes more than `most`.
fn reserve(total: &AtomicUsize, more: usize, most: usize) -> bool {
    total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |total| Some(total + more).filter(|sum| *sum <= most)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_and_all_files_are_bounded() {
        let mut held = HeldBytes::default();
        assert!(held.extend(&vec![7; MAX_HELD]) && !held.extend(&[7]));
        held.clear();
        assert!(held.is_empty() && held.extend(&[7]));
        let total = AtomicUsize::new(8);
        assert!(reserve(&total, 2, 10) && !reserve(&total, 1, 10));
        assert_eq!(total.into_inner(), 10);
    }
}
