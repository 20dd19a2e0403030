//! Section 11, "Hostile input": "Everything from the network and every file of an archive is hostile."

mod linear_cost;
mod locked;
mod locks;
mod resource_limits;
mod tampered_archive;
