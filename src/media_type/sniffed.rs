//! A type that bytes begin as, and how much that proves: against every other type, against all but some, or nothing.

/// What the bytes say, and whom it contradicts.
pub(super) struct Sniffed {
    pub essence: &'static str,
    pub proof: Proof,
}

#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// Too short to contradict anyone.
    Nothing,
    /// It is no other type, save perhaps one with these extensions.
    AllBut(&'static [&'static str]),
}

pub(super) const fn certain(essence: &'static str) -> Sniffed {
    certain_but(essence, &[])
}

pub(super) const fn certain_but(essence: &'static str, siblings: &'static [&'static str]) -> Sniffed {
    Sniffed { essence, proof: Proof::AllBut(siblings) }
}

pub(super) const fn perhaps(essence: &'static str) -> Sniffed {
    Sniffed { essence, proof: Proof::Nothing }
}
