//! yescale-dl: archives what people generate through the YEScale gateway.
//!
//! The program is a thin command line around this crate. What stands on this page is for programs that embed it: a
//! [`Session`] gets tasks into an archive, [`verify()`] looks whether they are still whole, [`each_task`] reads the manifest as
//! data. Everything is as for the command line: the defaults, the archive on disk, what is kept and what is refused.
//!
//! ```
//! use yescale_dl::{ApiKey, Event, Options, Request, Session, TaskId, each_task, verify};
//!
//! # use std::io::{BufRead, BufReader, Write};
//! # let gateway = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = format!("http://{}", gateway.local_addr()?);
//! # std::thread::spawn(move || -> std::io::Result<()> {
//! #     let (mut asked, _) = gateway.accept()?;
//! #     let is_end = |line: &std::io::Result<String>| line.as_ref().is_ok_and(String::is_empty);
//! #     BufReader::new(&asked).lines().find(is_end);
//! #     let task = r#"{"status": "SUCCESS", "task_result": {"audio": ["data:audio/mpeg;base64,SUQzBAAAAAAAAA=="]}}"#;
//! #     write!(asked, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{task}", task.len())
//! # });
//! # let folder = tempfile::tempdir()?;
//! # let archive = folder.path().join("archive");
//! # let key = "sk-example";
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let mut options = Options::new(ApiKey::parse(key)?);
//! options.base_url = address.parse()?; // only for a gateway elsewhere
//! let session = Session::open(&archive, options)?;
//!
//! // In a service the ids come from a list or a queue of yours.
//! let requests = ["777935781150867525"].into_iter().filter_map(TaskId::new).map(Request::of);
//! let ended = session
//!     .get(requests, |event| match event {
//!         Event::File(file) => println!("{}: {} bytes", file.path, file.entry.size()),
//!         Event::Task(task) => println!("{}: {:?}", task.task, task.outcome),
//!         _ => {}
//!     })
//!     .await?;
//! assert_eq!((ended.summary.complete, ended.summary.bad()), (1, 0));
//!
//! let (counts, findings) = verify(&archive, false)?;
//! assert!(counts.is_whole() && findings.is_empty());
//!
//! each_task(&archive, |task| {
//!     assert_eq!(task.files[0].path(), "777935781150867525/audio-1.mp3");
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - **Units** are bytes, seconds (or [`Duration`](std::time::Duration)) and RFC 3339 times in UTC; hashes are SHA-256.
//! - **Errors** are of two kinds. An [`Error`] keeps a run from starting. What befalls one task or asset is data: the
//!   [`Outcome`] in its [`TaskReport`], and [`TaskEntry::errors`] in the manifest.
//! - **Sources**: what a task says of itself comes from the gateway, what a file is like from its bytes; the field's own words
//!   tell which. Texts may hold whatever the network sent: escape them before you show them.
//!
//! # Inside
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
//! 0. data and decisions, without I/O: `task`, `asset`, `kind`, `media_type`, `duration`, `data_uri`, `naming`,
//!    `digest`, `checksum`, `version`, `json`, `manifest`, `plan`, `record`, `event`, `schema`, `secret`, and `threads`
//! 1. one effect each: `gateway` and `http` (the network), `store` (the disk)
//! 2. `transfer`: one asset from URL to committed file
//! 3. `get` and `verify`: the use cases; `export` and `gallery`: what is derived from manifests
//! 4. `session`: how a run is put together
//! 5. `cli` and `ui`: what was typed, and what is shown
//!
//! None of them is for others; those that are public all the same (the program, the bench and the fuzz targets need them)
//! promise nothing.

#![warn(missing_docs)]

mod asset;
mod checksum;
#[doc(hidden)]
pub mod cli;
mod data_uri;
mod digest;
mod duration;
mod event;
mod export;
mod gallery;
#[doc(hidden)]
pub mod gateway;
mod get;
mod http;
mod json;
mod kind;
#[doc(hidden)]
pub mod manifest;
mod media_type;
#[doc(hidden)]
pub mod naming;
mod plan;
mod record;
mod schema;
mod secret;
mod session;
mod store;
mod task;
mod threads;
mod transfer;
mod ui;
mod verify;
mod version;

pub use digest::Sha256Hex;
pub use event::{Counter, Event, Fault, FileReport, Outcome, Summary, TaskReport, Transfer, VerifySummary};
pub use gateway::{BaseUrl, BaseUrlError, Error as GatewayError};
pub use get::{PollPolicy, RepairScope, Request, RunOutcome};
pub use http::client::{Error as ClientError, Network};
pub use kind::{AssetKey, Kind};
pub use manifest::{ApiResponse, AssetError, FileEntry, State, TaskEntry};
pub use plan::KindFilter;
pub use secret::{ApiKey, KeyError};
pub use session::{Error, Options, Session, StopHandle, verify};
pub use store::{Error as ArchiveError, each_task};
pub use task::TaskId;
pub use verify::{Finding, FindingTarget};
