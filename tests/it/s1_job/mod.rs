//! Section 1, the job: what the gateway is asked, and how its answers are read.

mod answers;
mod asking;
mod items;
mod large;
pub(crate) mod samples;
mod values;
