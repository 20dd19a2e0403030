//! An archive in a bucket, against a server that can be told to fail (`support::bucket`). Every run is audited
//! (`support::bucket::audit`): no wrong byte, nothing overwritten, nothing lost, nothing deleted.

mod commands;
mod commit;
mod conditions;
mod copied;
mod errors;
mod index;
mod killed;
mod layout;
mod lost_manifests;
mod many_tasks;
mod options;
mod publish;
mod publish_large;
mod rights;
mod spool;
mod stops;
#[cfg(target_os = "linux")]
mod tls;
mod workers;
