//! Section 8, the other verbs.

mod about;
mod bag;
mod broken;
mod browsing;
mod damaged;
mod every;
mod export;
mod exported;
mod gallery;
mod hostile;
mod index;
mod left_out;
mod repair;
mod schema;
mod verify;
