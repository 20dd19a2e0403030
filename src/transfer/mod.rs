//! One asset from URL to committed file, and many of them at once.
//!
//! [`Downloader`] is what the assets of a run share: the clients, the slots, the room on the disk. `fetch` drives one
//! asset and decides whether to try again; `tries` asks, once, and has `pour` (or `lanes`, over several connections)
//! move what comes to the disk; `finish` looks at what came, and refuses it or gives it a name. None of them knows a
//! manifest: what comes out is a `FileEntry` that waits to be durable, or why there is none.

mod attempt;
mod body_writer;
mod disk_space;
mod download;
mod finish;
mod segments;

pub(crate) use disk_space::Disk;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::domain::asset::Asset;
use crate::domain::code::AssetErrorCode;
use crate::domain::event::Emitter;
use crate::domain::plan::KindFilter;
use crate::domain::task::TaskId;
use crate::gateway::Gateway;
use crate::http::retry::RetryPolicy;
use crate::http::{self, MediaClient};
use crate::layout;
use crate::storage::{self, Part, PartFactory, StagedFile, blocking};

/// What the downloads of a run share.
pub(crate) struct Downloader {
    /// The client that has never seen the key.
    pub media: MediaClient,
    /// For links to the gateway's own origin, and nothing else here.
    pub gateway: Arc<Gateway>,
    /// How often to try again.
    pub policy: RetryPolicy,
    /// Connections for one large file.
    pub connections: usize,
    /// The largest file that is taken, in bytes.
    pub max_size: Option<u64>,
    /// Where it goes, as far as room is concerned.
    pub disk: Disk,
    /// Ends everything early.
    pub stop: CancellationToken,
    /// One for each download at once.
    pub slots: Semaphore,
    /// What `--only` asks for: a lone URL's kind is known only here.
    pub kind_filter: KindFilter,
    /// Where to tell.
    pub emitter: Emitter,
}

/// One download to do.
#[derive(Clone)]
pub(crate) struct DownloadJob {
    /// The task, for people.
    pub task: TaskId,
    /// The asset.
    pub asset: Asset,
    /// Makes the part file and stages the complete one.
    pub parts: PartFactory,
    /// The date that the file shall have.
    pub modified: Option<SystemTime>,
}

impl DownloadJob {
    /// Its part, with what an earlier try or run left of it.
    async fn open_part(&self) -> Result<Part, Error> {
        let (parts, stem) = (self.parts.clone(), self.stem());
        blocking(move || Ok(parts.resume(&stem)?)).await
    }

    /// How a person tells it from the others.
    fn display_name(&self) -> String {
        format!("{} {}", self.stem(), self.task)
    }

    /// What the part is known by. A lone URL's kind may not be known before its bytes are.
    fn stem(&self) -> String {
        let Asset { kind, index, count, .. } = self.asset;
        kind.map_or_else(|| format!("asset-{index}"), |kind| layout::file_stem(kind, index, count))
    }
}

/// Why an asset could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Its URL can't be fetched at all.
    #[error("{0}")]
    InvalidUrl(String),
    /// The host.
    #[error("{0}")]
    Http(#[from] http::Error),
    /// What came is not what was promised.
    #[error("{0}")]
    Rejected(String),
    /// It has more bytes than `--max-size` allows.
    #[error("larger than --max-size")]
    TooLarge,
    /// Nobody says how long it is, and it has more bytes than half of the free space had room for.
    #[error("larger than {0} bytes, half of the free space: its host does not say how large it is")]
    TooLargeForDisk(u64),
    /// The disk.
    #[error("{}", .0.message())]
    Store(#[from] storage::Error),
    /// The disk is full; told once, for all.
    #[error("the disk is full")]
    DiskFull,
    /// The disk is read-only or broken; told once, for all.
    #[error("the disk can't be written to")]
    DiskFailing,
    /// The disk has too little room for a file of known length.
    #[error("no room for it: it needs {needed} more bytes, and {free} are free")]
    NoSpace {
        /// What is missing of it, in bytes.
        needed: u64,
        /// What the disk has left beside the downloads under way, in bytes.
        free: u64,
    },
    /// The run was interrupted.
    #[error("interrupted")]
    Stopped,
    /// Writing the bytes.
    #[error("can't write it to the disk: {0}")]
    Write(std::io::Error),
}

impl Error {
    /// Whether the link is dead: a fresh one may live.
    #[must_use]
    pub(crate) fn is_dead_link(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_dead_link())
    }

    /// The code of the failure, as a manifest records it.
    #[must_use]
    pub(crate) fn code(&self) -> AssetErrorCode {
        match self {
            Self::InvalidUrl(_) => AssetErrorCode::BadUrl,
            Self::Http(http::Error::Status { status, .. }) => AssetErrorCode::from_http_status(status.as_u16()),
            Self::Http(http::Error::RangeMismatch(_) | http::Error::LengthMismatch(_)) => AssetErrorCode::IncompleteBody,
            Self::Http(http::Error::Transient(_) | http::Error::Permanent(_)) | Self::Stopped => AssetErrorCode::Network,
            Self::Rejected(_) => AssetErrorCode::RefusedContent,
            Self::TooLarge | Self::TooLargeForDisk(_) => AssetErrorCode::TooLarge,
            Self::Store(_) | Self::DiskFull | Self::DiskFailing | Self::NoSpace { .. } | Self::Write(_) => AssetErrorCode::Disk,
        }
    }

    /// The HTTP status, where there was one.
    #[must_use]
    pub(crate) fn http_status(&self) -> Option<u16> {
        match self {
            Self::Http(http::Error::Status { status, .. }) => Some(status.as_u16()),
            _ => None,
        }
    }

    /// Whether it ends the run: nothing new is started, and that is told once for all.
    #[must_use]
    pub(crate) fn ends_run(&self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskFailing)
    }

    /// What the system said when something was written.
    fn write_error(&self) -> Option<&std::io::Error> {
        match self {
            Self::Write(source) => Some(source),
            Self::Store(error) => error.write_error(),
            _ => None,
        }
    }
}

/// What came of an order.
pub(crate) enum Fetched {
    /// The file is whole, and waits to be durable: its task commits it.
    File(Box<StagedFile>),
    /// It turned out to be of a kind that was not asked for.
    NotWanted,
}
