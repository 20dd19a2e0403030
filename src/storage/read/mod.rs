//! Reading an archive: scanning its folders, reading its tasks, reporting what can't be read.

pub(super) mod reader;
pub(super) mod report;
pub(super) mod scan;
