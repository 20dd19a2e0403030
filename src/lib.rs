//! yescale-dl: archives what people generate through the YEScale gateway.
//!
//! ```text
//! task id ─▶ gateway ─▶ Task ─▶ plan ─▶ transfer ─▶ commit ─▶ root manifest
//!                         │       ▲         │
//!                         │   what is here  ├─ ask, prove the answer, try again
//!                         └─ text           └─ one writer a file: write, hash in order, sync, rename
//! ```
//!
//! Data only goes forward. The modules stand in layers, and a layer imports only from those before it:
//!
//! 0. data and decisions, without I/O: [`task`], [`asset`], [`kind`], [`media_type`], [`duration`], [`data_uri`], [`naming`],
//!    [`digest`], [`checksum`], [`version`], [`manifest`], [`plan`], [`record`], [`event`], [`schema`], [`secret`]
//! 1. one effect each: [`gateway`] and [`http`] (the network), [`store`] (the disk)
//! 2. [`transfer`]: one asset from URL to committed file
//! 3. [`get`] and [`verify`]: the use cases; [`export`] and [`gallery`]: what is derived from manifests
//! 4. [`cli`] and [`ui`]: what was typed, and what is shown

pub mod asset;
pub mod checksum;
pub mod cli;
pub mod data_uri;
pub mod digest;
pub mod duration;
pub mod event;
pub mod export;
pub mod gallery;
pub mod gateway;
pub mod get;
pub mod http;
mod iso_media;
pub mod kind;
pub mod manifest;
pub mod media_type;
pub mod naming;
pub mod plan;
pub mod record;
pub mod schema;
pub mod secret;
pub mod store;
pub mod task;
pub mod transfer;
pub mod ui;
pub mod verify;
pub mod version;
