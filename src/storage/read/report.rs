//! Messages about what was found while an archive's folders were read.
//!
//! Only the first messages are kept: a failing disk would fill the terminal otherwise.

/// How many messages of one kind are kept.
const MAX_MESSAGES: usize = 50;

/// What was found. The messages may hold text from a manifest: the code that prints them makes them safe for a terminal.
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
    /// Adds something that the user should know, and that needs no action.
    pub(in crate::storage) fn add_note(&mut self, message: String) {
        self.notes.push(message);
    }

    /// Adds something that needs repair.
    pub(in crate::storage) fn add_fault(&mut self, message: String) {
        self.faults.push(message);
    }

    /// What the user should know, and needs no action.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.notes.lines()
    }

    /// What needs repair.
    pub(crate) fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.lines()
    }

    /// Whether something needs repair.
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
