//! What a reading of an archive's folders found beside their tasks, in words.
//!
//! Of very many messages only the first are kept: a disk that went bad would fill the terminal otherwise.

/// Messages of one sort that are kept.
const MAX_MESSAGES: usize = 50;

/// What was found. The messages may hold what a manifest says: whoever prints makes them safe.
#[derive(Debug, Default)]
pub(crate) struct Report {
    notes: Messages,
    faults: Messages,
}

#[derive(Debug, Default)]
struct Messages {
    first: Vec<String>,
    more: usize,
}

impl Report {
    /// Something that should be known, and is in order.
    pub(in crate::storage) fn add_note(&mut self, message: String) {
        self.notes.push(message);
    }

    /// Something that is left to be mended.
    pub(in crate::storage) fn add_fault(&mut self, message: String) {
        self.faults.push(message);
    }

    /// What should be known, and is in order.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.lines()
    }

    /// What is left to be mended.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.lines()
    }

    /// Whether something is left to be mended.
    #[must_use]
    pub(crate) fn has_faults(&self) -> bool {
        !self.faults.first.is_empty()
    }
}

impl Messages {
    fn push(&mut self, message: String) {
        if self.first.len() < MAX_MESSAGES { self.first.push(message) } else { self.more += 1 }
    }

    fn lines(&self) -> impl Iterator<Item = String> {
        let more = (self.more > 0).then(|| format!("and {} more of these", self.more));
        self.first.iter().cloned().chain(more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_messages_are_kept_and_the_rest_counted() {
        let mut report = Report::default();
        (0..1000).for_each(|n| report.add_fault(n.to_string()));
        assert_eq!((report.faults().count(), report.faults().last().unwrap()), (51, "and 950 more of these".to_owned()));
        assert!(report.has_faults() && report.notes().next().is_none());
    }
}
