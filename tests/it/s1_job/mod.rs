//! Section 1, "The main job": "For each task id, the program sends `GET {base}/task/{id}` with `Authorization: Bearer
//! KEY`. It downloads every asset into the archive, saves the text and writes the manifests."

mod account_errors;
mod account_list;
mod assets;
mod large_responses;
mod list_formats;
mod memory;
mod other_lists;
mod requests;
mod responses;
pub(crate) mod samples;
#[cfg(target_os = "linux")]
mod syscalls;
mod times_and_durations;
mod typing_mistakes;
