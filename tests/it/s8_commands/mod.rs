//! Section 8, "The other commands": "All commands except `repair` work offline from the manifests."

mod all_commands;
mod completions_and_man;
mod copied_bucket;
mod damaged_manifests;
mod export;
mod export_bagit;
mod export_files;
mod export_files_killed;
#[cfg(target_os = "linux")]
mod export_files_space;
mod export_files_tags;
mod export_interop;
mod export_skipped;
mod filters;
mod gallery;
mod gallery_browser;
mod index;
mod index_facts;
mod list;
#[cfg(unix)]
mod login;
#[cfg(target_os = "linux")]
mod login_disk;
mod repair;
mod repair_manifests;
mod schema;
mod verify;
mod verify_hostile;
mod written_lines;
