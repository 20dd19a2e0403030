//! Files on their way in: part files, their journals, positioned writes. Always on a local disk.

pub(super) mod journal;
pub(super) mod part;
pub(super) mod positioned;
mod write_back;
