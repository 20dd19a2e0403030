//! Section 2, the archive on disk: its names, what it keeps, what a file is, and how it becomes whole.

mod anything;
mod bodies;
mod budget;
mod content;
mod deadlinks;
mod digests;
mod disk;
mod disk_faults;
mod encoding;
mod keeping;
mod layout;
mod lengths;
mod links;
mod names;
mod ownership;
mod refusing;
mod resume;
mod segments;
