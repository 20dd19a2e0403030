//! Reading an archive: scanning its folders ([`scan`]), reading its tasks ([`reader`]), reporting what can't be read
//! ([`report`]).
//!
//! Owns every decision about which parts of an archive can be trusted. It changes no file of an archive, and holds a lock only
//! while it checks again what seems broken. Where folders can't be locked, that lock is a `.lock` file.
//!
//! Invariant: a path from a manifest is opened only after a check: it is a name that this program gives, in its task's folder,
//! and no symlink leads there. What can't be read is reported, and is never treated as missing.

pub(super) mod reader;
pub(super) mod report;
pub(super) mod scan;
