//! Section 4, "Options of the main job": "The command line wins over the environment, and the environment over the
//! file."

mod address_policy;
mod config;
#[cfg(target_os = "linux")]
mod connect_timeout;
mod download_options;
mod exec;
mod failed_to;
mod limits;
mod log_file;
mod option_table;
mod outage;
mod saved_keys;
mod wait;
