//! Section 2, the archive on disk: its names, what it keeps, what a file is, and how it becomes whole.

mod bodies;
mod dead_links;
mod digests;
mod disk_faults;
mod encoding;
mod full_disk;
mod layout;
mod lengths;
mod media_types;
mod names;
mod ownership;
mod random_faults;
mod rejected_media;
mod resume;
mod retention;
mod retry_budget;
mod segments;
mod symlinks;
