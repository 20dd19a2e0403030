//! The protocol step by step, and under random schedules: writers that race, requests that fail in every way, writers that die.

mod commit;
mod faulty_store;
mod publish;
mod real_servers;
mod schedules;
mod world;
