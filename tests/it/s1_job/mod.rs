//! Section 1, the job: what the gateway is asked, and how its answers are read.

mod reading;
pub(crate) mod samples;
