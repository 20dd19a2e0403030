//! The version of a remote file: the proof that two responses have bytes of the same file.

use serde::{Deserialize, Serialize};

/// A strong validator: it differs between any two versions of a file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Validator {
    /// A strong `ETag`, with its quotes.
    Etag(String),
    /// A `Last-Modified` that is old enough: no later change can have the same time.
    LastModified(String),
}

impl Validator {
    /// The value of `If-Range`.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Etag(text) | Self::LastModified(text) => text,
        }
    }
}

/// A version of a remote file, with its length.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct RemoteVersion {
    /// The validator of this version.
    pub validator: Validator,
    /// The length in bytes, if the host has sent it.
    pub total: Option<u64>,
}
