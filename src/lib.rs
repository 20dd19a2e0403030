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
//! 3. `jobs`: archive, verify, export, gallery.
//! 4. `session`: how a run is put together.
//! 5. `cli` and `ui`: what was typed, and what is shown.
//!
//! These modules are private. Some are public but hidden, because the program, the benches and the fuzz targets need them.
//! They promise nothing to others.

#![warn(missing_docs)]

#[doc(hidden)]
pub mod cli;
mod domain;
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
mod ui;

pub use domain::asset_key::{AssetKey, Kind};
pub use domain::code::{AssetErrorCode, FatalCode, TaskErrorCode};
pub use domain::event::{Counter, Event, Fault, FileReport, Outcome, Summary, TaskReport, Transfer, VerifySummary};
#[doc(hidden)]
pub use domain::manifest;
pub use domain::manifest::{ApiResponse, AssetError, FileEntry, State, TaskEntry};
pub use domain::plan::KindFilter;
pub use domain::task::TaskId;
pub use gateway::{BaseUrl, BaseUrlError, Error as GatewayError};
pub use http::client::{Error as ClientError, Network};
pub use integrity::digest::Sha256Hex;
pub use jobs::archive::{PollPolicy, RepairScope, Request, RunOutcome};
pub use jobs::verify::{Finding, FindingTarget};
pub use redact::{ApiKey, KeyError};
pub use session::{Error, Options, Session, StopHandle, verify};
pub use storage::{Error as ArchiveError, each_task};
