//! The only room that touches the disk.
//!
//! An [`Archive`] is a folder of task [`Folder`]s, each complete on its own. What is written there
//! is written in one order: data, sync, record, rename, sync folder, task manifest; then the root's
//! derived files. A name without a dot in front therefore always stands for something whole. No
//! symlink inside the archive is followed, and nothing that is not ours is overwritten.

#![expect(clippy::disallowed_methods, reason = "this is the door to the disk")]

mod archive;
mod atomic;
mod checkpoint;
mod error;
mod finished;
mod folder;
mod journal;
mod lock;
mod mark;
mod page;
mod part;
mod root;
mod survey;

pub use archive::Archive;
pub use error::Error;
pub use folder::{Folder, Held, Known};
pub use page::Page;
pub use part::{Ahead, Draft, Part, Sealed};
pub use root::each_task;
pub use survey::{Claim, Survey};
