//! The protocol under random schedules: writers that race, requests that fail in every way, and writers that die.

mod faulty_store;
mod schedules;
mod world;
