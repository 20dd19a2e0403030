//! Section 2, the archive on disk: its names, what it keeps, what a file is, and how it becomes whole.

mod anything;
mod bodies;
mod content;
mod deadlinks;
mod digests;
mod disk;
mod encoding;
mod keeping;
mod layout;
mod links;
mod names;
mod ownership;
mod refusing;
mod resume;
mod segments;
