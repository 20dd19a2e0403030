//! A type that bytes begin as, and how much that proves: against every other type, against all but some, or nothing.

/// What the bytes say, and whom it contradicts.
pub(super) struct Sniff {
    pub essence: &'static str,
    pub confidence: Confidence,
}

#[derive(Clone, Copy)]
pub(super) enum Confidence {
    /// Too short to contradict anyone.
    Low,
    /// It is no other type, save perhaps one with these extensions.
    CertainExcept(&'static [&'static str]),
}

pub(super) const fn certain(essence: &'static str) -> Sniff {
    certain_except(essence, &[])
}

pub(super) const fn certain_except(essence: &'static str, siblings: &'static [&'static str]) -> Sniff {
    Sniff { essence, confidence: Confidence::CertainExcept(siblings) }
}

pub(super) const fn tentative(essence: &'static str) -> Sniff {
    Sniff { essence, confidence: Confidence::Low }
}
