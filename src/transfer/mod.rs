//! Downloads assets: each from its URL to a staged file, many of them at once.
//!
//! [`Downloader`] is what the assets of a run share: the clients and the disk. `download` drives one asset and retries
//! it. `attempt` sends one request, and `body_writer` writes its body to the disk. For a large file, `first_body` finds out
//! meanwhile whether the host serves ranges. If so, `segments` brings the rest over several connections, as `range_plan` decides.
//! `finish` checks the file and names it, or refuses it. None of them reads or writes a manifest: the result is a staged file
//! that is not durable yet, or an [`Error`].

mod attempt;
mod body_writer;
mod disk_space;
mod download;
mod finish;
mod first_body;
mod inspect;
mod kept_part;
mod min_rate;
mod range_plan;
mod range_run;
mod segments;

pub(crate) use disk_space::Disk;
pub(crate) use min_rate::MinRate;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;

use crate::domain::asset::Asset;
use crate::domain::asset_key::Kind;
use crate::domain::code::AssetErrorCode;
use crate::domain::event::Emitter;
use crate::domain::plan::KindFilter;
use crate::domain::task::TaskId;
use crate::gateway::Gateway;
use crate::http::retry::RetryPolicy;
use crate::http::{self, MediaClient};
use crate::layout::FileStems;
use crate::storage::{self, Part, PartFactory, StagedFile, blocking};

/// What the downloads of a run share.
pub(crate) struct Downloader {
    /// The client that never gets the key.
    pub media: MediaClient,
    /// For links to the gateway's own origin only.
    pub gateway: Arc<Gateway>,
    /// How often to retry.
    pub policy: RetryPolicy,
    /// Connections for one large file.
    pub connections: usize,
    /// The largest file that is saved, in bytes.
    pub max_size: Option<u64>,
    /// The disk of the archive.
    pub disk: Disk,
    /// Stops everything.
    pub stop: CancellationToken,
    /// Below this rate a transfer is cut and resumed.
    pub min_rate: Option<MinRate>,
    /// What `--only` asks for. The kind of a lone URL is known only after its download.
    pub kind_filter: KindFilter,
    /// Receives the events.
    pub emitter: Emitter,
}

/// One download.
#[derive(Clone)]
pub(crate) struct DownloadJob {
    /// The task, for people.
    pub task: TaskId,
    /// The asset.
    pub asset: Asset,
    /// Makes the part file and stages the complete one.
    pub parts: PartFactory,
    /// The names of the task's files.
    pub stems: Arc<FileStems>,
    /// The modification time for the file.
    pub modified: Option<SystemTime>,
}

impl DownloadJob {
    /// Its part, with the bytes of an earlier attempt or run.
    async fn open_part(&self) -> Result<Part, Error> {
        let (parts, stem) = (self.parts.clone(), self.stem());
        blocking(move || Ok(parts.resume(&stem)?)).await
    }

    /// The name of the part, which doesn't depend on how many assets the answer has. The kind of a lone URL may be unknown before
    /// its bytes are.
    fn stem(&self) -> String {
        let Asset { kind, index, .. } = self.asset;
        format!("{}-{index}", kind.map_or("asset", Kind::as_str))
    }
}

/// `video-1 TASK`
impl fmt::Display for DownloadJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.stem(), self.task)
    }
}

/// Why an asset could not be saved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Its URL can't be requested.
    #[error("{0}")]
    InvalidUrl(String),
    /// The request failed.
    #[error("{0}")]
    Http(#[from] http::Error),
    /// The body is not media.
    #[error("{0}")]
    Rejected(String),
    /// It has more bytes than `--max-size` allows.
    #[error("larger than --max-size")]
    TooLarge,
    /// Its length is unknown, and it is larger than half of the free space.
    #[error("larger than {0} bytes, half of the free space; its host does not say how large it is")]
    TooLargeForDisk(u64),
    /// The task's folder.
    #[error("{}", .0.message())]
    Store(#[from] storage::Error),
    /// The disk is full. This is reported once for all assets.
    #[error("the disk is full")]
    DiskFull,
    /// The disk is read-only or failing. This is reported once for all assets.
    #[error("the disk can't be written to")]
    DiskFailing,
    /// The bucket refuses writes, or can't be reached. This is reported once for all assets.
    #[error("the bucket can't be written to")]
    BucketFailing,
    /// The disk has too little space for a file of known length.
    #[error("not enough disk space: {needed} bytes needed, {available} available")]
    NoSpace {
        /// Bytes that the file still needs.
        needed: u64,
        /// Bytes that the disk has besides those for other downloads.
        available: u64,
    },
    /// The run was stopped.
    #[error("interrupted")]
    Stopped,
    /// A write failed.
    #[error("can't write to the disk: {0}")]
    Write(std::io::Error),
}

impl Error {
    /// The cause, for programs.
    #[must_use]
    pub(crate) fn code(&self) -> AssetErrorCode {
        match self {
            Self::InvalidUrl(_) => AssetErrorCode::BadUrl,
            Self::Http(error) => error.code(),
            Self::Rejected(_) => AssetErrorCode::RefusedContent,
            Self::TooLarge | Self::TooLargeForDisk(_) => AssetErrorCode::TooLarge,
            Self::Store(_) | Self::DiskFull | Self::DiskFailing | Self::BucketFailing | Self::NoSpace { .. } | Self::Write(_) => {
                AssetErrorCode::Disk
            }
            // It ends the task, and no manifest records it.
            Self::Stopped => AssetErrorCode::Network,
        }
    }

    /// The status with which the host refused the request.
    #[must_use]
    pub(crate) fn http_status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.http_status(),
            _ => None,
        }
    }

    /// Whether the link is dead: the gateway may have a fresh one.
    #[must_use]
    pub(crate) fn is_dead_link(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_dead_link())
    }

    /// Whether it ends the run: nothing new is started, and that is reported once for all assets.
    #[must_use]
    pub(crate) fn ends_run(&self) -> bool {
        matches!(self, Self::DiskFull | Self::DiskFailing | Self::BucketFailing)
    }

    /// The system's error, when something was written.
    fn write_error(&self) -> Option<&std::io::Error> {
        match self {
            Self::Write(source) => Some(source),
            Self::Store(error) => error.write_error(),
            _ => None,
        }
    }
}

/// The result of a download.
pub(crate) enum Fetched {
    /// The file is complete, but not durable yet: its task commits it.
    File(Box<StagedFile>),
    /// It is of a kind that was not asked for.
    NotWanted,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_has_its_code() {
        for (error, code) in [
            (Error::Http(http::Error::StallTimeout), AssetErrorCode::Timeout),
            (Error::Rejected("an empty body".to_owned()), AssetErrorCode::RefusedContent),
            (Error::NoSpace { needed: 2, available: 1 }, AssetErrorCode::Disk),
            (Error::TooLarge, AssetErrorCode::TooLarge),
            (Error::Write(std::io::ErrorKind::StorageFull.into()), AssetErrorCode::Disk),
        ] {
            assert_eq!((error.code(), error.http_status()), (code, None), "{error}");
        }
    }
}
