//! What all tests share: `World`, which has a gateway, a media host and a working directory, and the program run in
//! it.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod browser;
pub(crate) mod bucket;
pub(crate) mod bucket_world;
pub(crate) mod commands;
#[cfg(target_os = "linux")]
pub(crate) mod failing_syscalls;
pub(crate) mod faults;
pub(crate) mod journal;
pub(crate) mod media;
pub(crate) mod run;
#[cfg(unix)]
pub(crate) mod terminal;
#[cfg(target_os = "linux")]
pub(crate) mod tls;
pub(crate) mod world;

pub(crate) use faults::{RemoteFile, ServerFault};
pub(crate) use media::{Gate, MediaServer, Reply};
pub(crate) use run::Run;
pub(crate) use world::{Answer, KEY, World, dead_url, sample, success};
