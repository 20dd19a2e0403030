//! yescale-dl archives what people generate through the YEScale gateway.
//!
//! The program is a thin command line around this crate. This page is for programs that embed the crate. Everything works as
//! on the command line: the defaults, the archive on disk, what is kept and what is refused.
//!
//! | job | what it does |
//! | --- | --- |
//! | [`Session::get`] | archives tasks |
//! | [`verify()`] | checks that every file in the manifests is present and intact |
//! | [`Session::repair`] | fetches again what a verification found damaged or missing |
//! | [`index()`] | rebuilds the root manifest and `SHA256SUMS` |
//! | [`index_with_facts`] | as `index`, and adds to the task manifests what is known about their tasks and files |
//! | [`list()`] | the tasks of an archive, filtered and in order |
//! | [`export()`] | writes a timeline, playlist, table or bag |
//! | [`export_files`] | copies or links the media under names for people |
//! | [`gallery()`] | writes a page for browsing the archive offline |
//! | [`each_task`] | reads the manifest as data |
//!
//! ```
//! use futures::stream;
//! use yescale_dl::{
//!     ApiKey, Emitter, Event, ExportFormat, ExportOptions, ExportTarget, Options, Request, Session, StopHandle, TaskId,
//!     each_task, export, gallery, index, verify,
//! };
//!
//! # use std::io::{BufRead, BufReader, Write};
//! # let gateway = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = format!("http://{}", gateway.local_addr()?);
//! # std::thread::spawn(move || -> std::io::Result<()> {
//! #     let (mut client, _) = gateway.accept()?;
//! #     let is_end = |line: &std::io::Result<String>| line.as_ref().is_ok_and(String::is_empty);
//! #     BufReader::new(&client).lines().find(is_end);
//! #     let task = r#"{"status": "SUCCESS", "task_result": {"audio": ["data:audio/mpeg;base64,SUQzBAAAAAAAAA=="]}}"#;
//! #     write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{task}", task.len())
//! # });
//! # let folder = tempfile::tempdir()?;
//! # let archive = folder.path().join("archive");
//! # let key = "sk-example";
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let mut options = Options::new(ApiKey::parse(key)?);
//! options.base_url = address.parse()?; // only for a gateway elsewhere
//!
//! // The ids are a stream, so that a service can read them from a queue. An iterator is a stream too:
//! let requests = stream::iter(["777935781150867525"].into_iter().filter_map(TaskId::new).map(Request::new));
//! let events = Emitter::new(|event| match event {
//!     Event::File(file) => println!("{}: {} bytes", file.path, file.entry.size()),
//!     Event::Task(task) => println!("{}: {:?}", task.task, task.outcome),
//!     _ => {}
//! });
//! let run = Session::open(&archive, options.clone())?.get(requests, events).await?;
//! assert_eq!((run.summary.complete, run.summary.unsuccessful()), (1, 0));
//!
//! let verified = verify(&archive, false, &Emitter::silent())?;
//! if !verified.summary.is_intact() {
//!     Session::open_verified(&verified, options)?.repair(&verified, Emitter::silent()).await?;
//! }
//!
//! each_task(&archive, |task| {
//!     assert_eq!(task.files[0].path(), "777935781150867525/audio-1.mp3");
//! })?;
//!
//! let mut table = Vec::new();
//! export(&archive, &ExportOptions::new(ExportFormat::Csv), ExportTarget::Stream(&mut table), &Emitter::silent())?;
//! assert!(table.starts_with(b"task_id,state,"));
//! # #[cfg(feature = "gallery")]
//! gallery(&archive, &StopHandle::default(), &Emitter::silent())?;
//! index(&archive, &StopHandle::default(), &Emitter::silent())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Units** are bytes, seconds (or [`Duration`](std::time::Duration)) and RFC 3339 times in UTC. Hashes are SHA-256.
//! - **Errors** have two levels. A job returns an error when it can't start. What goes wrong with one task or asset is data: the
//!   [`Outcome`] and [`TaskError`] in its [`TaskReport`], and [`TaskEntry::errors`] in the manifest. Between the two,
//!   [`RunOutcome::fatal_error`] says why a run could not go on; each task that is left is an [`Event::NotAsked`]. Programs decide
//!   by the enums, such as [`TaskErrorCode`], [`AssetErrorCode`] and [`FatalCode`]; the texts are for people.
//! - **Sources**: facts about a task come from the gateway, facts about a file from its bytes; the docs of each field say which.
//!   Texts may hold anything that the network sent. Escape them before you show them.
//!
//! # Features
//!
//! - `cli`, on by default: the command line. A library can do without it, and without clap, indicatif and the gallery page.
//! - `gallery`, part of `cli`: the gallery page and [`gallery()`].
//!
//! # Inside
//!
//! ```text
//! task id ─▶ gateway ─▶ Task ─▶ plan ─▶ download ─▶ staged file ─▶ publish ─▶ commit ─▶ root manifest
//!                         │       ▲
//!                         │   task snapshot
//!                         └─ text
//! ```
//!
//! Data only moves forward. The modules form layers. A layer imports only from the layers before it:
//!
//! 0. No I/O: `domain` (data and decisions), `layout` (names on disk), `media` (types and durations of files), `integrity`
//!    (hashes and versions), `redact` (secrets), `threads` (worker threads).
//! 1. One effect each: `http` and `gateway` (the network), `storage` (the disk).
//! 2. `transfer`: one asset, from its URL to a staged file.
//! 3. `jobs`: archive, verify, repair, index, list, export, gallery.
//! 4. `session`: how a run is put together.
//! 5. `cli` and `ui`: what was typed, and what is shown. `fuzzing`: doors for the fuzz targets, which only they compile.
//!
//! These modules are private. Some are public but hidden, because the program, the benches and the fuzz targets need them.
//! They promise nothing to others.
//!
//! # Where to add
//!
//! - An export format: see `jobs/export/format.rs`.
//! - An option of a run, or a command: see `cli/mod.rs`.
//! - A storage backend: see `storage/backend.rs`.
//! - A retry rule: `http/retry.rs` decides when and how long; which errors are transient: `http/error.rs` and
//!   `gateway/classify.rs`.
//! - A media type: a row in `media/media_type.rs`, and its magic number in `media/media_type/magic.rs`. Which type wins, when the
//!   declared type and the bytes differ: `transfer/finish.rs`.

#![warn(missing_docs)]
// What only the command line or buckets use is dead code without them. The default build checks for dead code.
#![cfg_attr(not(all(feature = "bucket", feature = "cli")), allow(dead_code, unused_imports, unused_variables))]
#![cfg_attr(not(feature = "bucket"), allow(clippy::unnecessary_wraps, clippy::unused_async, clippy::unused_self))]

#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
mod domain;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod gateway;
mod http;
mod integrity;
mod jobs;
#[doc(hidden)]
pub mod layout;
mod media;
mod redact;
mod session;
mod storage;
mod threads;
mod transfer;
#[cfg(feature = "cli")]
mod ui;

pub use domain::asset_key::{AssetKey, Kind};
pub use domain::code::{AssetErrorCode, FatalCode, TaskErrorCode};
pub use domain::event::{
    ByteCounters, CommandOutput, Counter, Emitter, Event, Fault, FileReport, GatewayFault, Outcome, RunKind, Summary,
    TaskCounters, TaskError, TaskReport, Transfer, VerifySummary,
};
pub use domain::frame_rate::{FrameRate, InvalidFrameRate};
#[doc(hidden)]
pub use domain::manifest;
pub use domain::manifest::{ApiResponse, AssetError, FileEntry, State, TaskEntry};
pub use domain::plan::KindFilter;
pub use domain::selection::{Selected, Selection, SortKey, TaskFilter};
pub use domain::shard::Shard;
pub use domain::task::TaskId;
pub use domain::template::{DEFAULT_TEMPLATE, Template, TemplateError, template_fields};
pub use gateway::{AccountError, BaseUrl, BaseUrlError, Error as GatewayError};
pub use http::client::{Error as ClientError, Network};
pub use integrity::digest::Sha256Hex;
pub use jobs::archive::{FatalError, PollPolicy, RepairScope, Request, RunOutcome};
pub use jobs::export::files::{FileExportOptions, LinkMode, export_files};
pub use jobs::export::{ExportError, ExportFormat, ExportOptions, ExportTarget, export};
#[cfg(feature = "gallery")]
pub use jobs::gallery::{gallery, gallery_file};
pub use jobs::index::{FactsOutcome, index, index_with_facts, rebuild_index};
pub use jobs::list::{Listed, list};
pub use jobs::repair::RepairOutcome;
pub use jobs::verify::{Finding, FindingTarget, VerifyError, VerifyOutcome, verify, verify_selected};
pub use jobs::{JobOutcome, StopHandle};
pub use redact::{ApiKey, KeyError};
pub use session::{Error, Options, Session};
pub use storage::{BucketError, BucketFault, Error as ArchiveError, each_task};
