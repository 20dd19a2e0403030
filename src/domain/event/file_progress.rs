//! One file's part of the bytes that its run knows of and has done.
//!
//! A download may start over, resume, or end early. Each file therefore owns its part of the two counters and replaces it as a
//! whole. Invariants: a file never has more done than known, and once it has ended, it has as much known as done. So the bytes
//! of a run that has ended are all done, whatever went wrong.

use std::sync::{Mutex, PoisonError};

use super::counter::ByteCounters;

/// The part of one file. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct FileProgress {
    run: ByteCounters,
    part: Mutex<Part>,
}

#[derive(Clone, Copy, Default, Debug)]
struct Part {
    /// Whether `known` is the size of the file. Otherwise it follows `done`.
    has_size: bool,
    known: u64,
    done: u64,
}

impl FileProgress {
    /// The part of a file of which nothing is known yet.
    pub(crate) fn new(run: &ByteCounters) -> Self {
        Self { run: run.clone(), part: Mutex::default() }
    }

    /// A transfer of the file begins: it has `size` bytes, if that is known, and `done` of them are here.
    pub(crate) fn begin(&self, size: Option<u64>, done: u64) {
        self.update(|_| Part { has_size: size.is_some(), known: size.unwrap_or(done), done });
    }

    /// Adds received bytes.
    pub(crate) fn add(&self, bytes: u64) {
        self.update(|part| Part { done: part.done.saturating_add(bytes), ..part });
    }

    fn update(&self, change: impl FnOnce(Part) -> Part) {
        let mut part = self.part.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *part;
        *part = change(before);
        if part.has_size {
            // Bytes that came twice, or that the file should not have.
            part.done = part.done.min(part.known);
        } else {
            part.known = part.done;
        }
        self.run.known.replace_part(before.known, part.known);
        self.run.done.replace_part(before.done, part.done);
    }
}

impl Drop for FileProgress {
    fn drop(&mut self) {
        self.update(|part| Part { has_size: false, ..part });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_never_exceeds_known_and_an_ended_file_is_done() {
        let run = ByteCounters::default();
        let counts = || (run.done.get(), run.known.get());
        let one = FileProgress::new(&run);
        assert_eq!(counts(), (0, 0), "nothing is known before the host answers");
        one.begin(Some(100), 20);
        assert_eq!(counts(), (20, 100), "resumed bytes are done");
        one.add(70);
        one.add(50);
        assert_eq!(counts(), (100, 100), "bytes that come twice count once");
        one.begin(Some(100), 30);
        assert_eq!(counts(), (30, 100), "discarded bytes are not done");
        let two = FileProgress::new(&run);
        two.begin(None, 0);
        two.add(7);
        assert_eq!(counts(), (37, 107), "a file of unknown size is known as far as it is done");
        drop(one);
        assert_eq!(counts(), (37, 37), "bytes that never come are known no more");
        drop(two);
        assert_eq!(counts(), (37, 37));
    }
}
