//! Section 1, the job: what the gateway is asked, and how its answers are read.

mod assets;
mod large_responses;
mod requests;
mod responses;
pub(crate) mod samples;
mod times_and_durations;
