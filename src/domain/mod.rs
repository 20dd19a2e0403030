//! The data that flows through the program, and the decisions on it. No I/O.
//!
//! In the order of the data: a task id, the gateway's answer ([`task`]) with its [`asset`]s, a [`plan`] with one action per
//! asset, and the task's entry in the [`manifest`], which [`merge`] makes. An [`event`] reports each step.

pub(crate) mod asset;
pub(crate) mod asset_key;
pub(crate) mod code;
pub(crate) mod event;
pub(crate) mod exact_url;
pub(crate) mod json;
pub mod manifest;
pub(crate) mod merge;
pub(crate) mod plan;
pub(crate) mod schema;
pub(crate) mod task;
pub(crate) mod when;
