//! The jobs that the program does: archive tasks, verify them, export them, write the gallery page.
//!
//! A job uses the layers below and knows neither the command line nor the terminal. It reports by events and return values.

pub(crate) mod archive;
pub(crate) mod export;
pub(crate) mod gallery;
pub(crate) mod verify;
