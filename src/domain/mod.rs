//! The data that flows through the program, and the decisions on it. No I/O.
//!
//! In the order of the data: a task id, the gateway's answer ([`task`]) with its [`asset`]s, a [`plan`] with one action per
//! asset, and the task's entry in the [`manifest`], which [`merge`] makes ([`origin`] says what made the task). A [`selection`]
//! picks tasks of an archive. An [`event`] reports each step.

pub(crate) mod asset;
pub(crate) mod asset_key;
pub(crate) mod code;
pub(crate) mod event;
pub(crate) mod exact_url;
pub(crate) mod export_record;
pub(crate) mod file_name;
pub(crate) mod frame_rate;
pub(crate) mod json;
pub mod manifest;
pub(crate) mod merge;
pub(crate) mod origin;
pub(crate) mod plan;
pub(crate) mod reconcile;
pub(crate) mod schema;
pub(crate) mod selection;
pub(crate) mod shard;
pub(crate) mod task;
pub(crate) mod template;
pub(crate) mod when;
