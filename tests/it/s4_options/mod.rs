//! Section 4, the options of the main job, and where each may come from.

mod address_policy;
mod config;
mod download_options;
mod limits;
mod option_table;
mod wait;
