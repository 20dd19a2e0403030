//! The result of detecting a media type from the first bytes, and which declared types it contradicts: all others, all but
//! some, or none.

/// A detected media type and its confidence.
pub(super) struct Sniff {
    pub essence: &'static str,
    pub confidence: Confidence,
}

#[derive(Clone, Copy)]
pub(super) enum Confidence {
    /// The magic number is too short to contradict any declared type.
    Low,
    /// It is certainly no other type, except perhaps one with these extensions.
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
