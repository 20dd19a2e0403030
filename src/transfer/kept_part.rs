//! What becomes of the part of an attempt that did not bring the whole file: it is kept for another attempt or run, or removed.

use super::Error;
use super::attempt::AttemptOutcome;
use crate::storage::{Part, blocking};

/// A fault of the host allows another attempt; any other fault ends the download.
pub(super) async fn incomplete_or_abandoned(part: Part, fault: Error) -> Result<AttemptOutcome, Error> {
    match fault {
        Error::Http(error) => Ok(AttemptOutcome::Incomplete(part, error)),
        fault => Err(abandon_part(part, fault).await),
    }
}

/// Keeps the part for the next run, or removes it when its content is refused or the disk failed. Returns `error`.
pub(super) async fn abandon_part(part: Part, error: Error) -> Error {
    let closed = blocking(move || {
        match error {
            Error::Rejected(_) | Error::TooLarge | Error::TooLargeForDisk(_) | Error::Write(_) | Error::Store(_) => {
                part.discard();
            }
            _ => drop(part),
        }
        Ok::<_, Error>(error)
    });
    closed.await.unwrap_or_else(|panicked| panicked)
}

pub(super) async fn restart_part(mut part: Part) -> Result<Part, Error> {
    blocking(move || part.restart().map_err(Error::Write).map(|()| part)).await
}
