//! The data that flows through the program, and the decisions on it. No I/O.
//!
//! A task id leads to a [`task`], the task to its [`asset`]s, a [`plan`] says what to do with each, and [`merge`] makes the
//! task's entry in the [`manifest`]. An [`event`] reports each step.

pub(crate) mod asset;
pub(crate) mod asset_key;
pub(crate) mod code;
pub(crate) mod event;
pub(crate) mod json;
pub mod manifest;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod schema;
pub(crate) mod task;
