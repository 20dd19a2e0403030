//! Section 4, the options of the main job, and where each may come from.

mod config;
mod limits;
mod main_job;
mod reach;
mod table;
mod wait;
