//! Reading an archive: scanning its folders ([`scan`]), reading its tasks ([`reader`]), reporting what can't be read
//! ([`report`]).
//!
//! Owns every decision about what of an archive can be believed. It writes nothing, and holds a lock only while it checks again
//! what seems broken.
//!
//! Invariant: no path from a manifest is opened before it is known to be a name that this program gives, in its task's folder,
//! through no symlink. What can't be read is reported, and never taken for missing.

pub(super) mod reader;
pub(super) mod report;
pub(super) mod scan;
