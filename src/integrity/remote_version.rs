//! Which version of a remote file some bytes are of, as its host puts it.

use serde::{Deserialize, Serialize};

/// What tells two versions of a file apart: never a weak one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    /// A strong `ETag`, quotes included.
    Etag(String),
    /// A `Last-Modified` that is old enough to be the last.
    LastModified(String),
}

impl Validator {
    /// The value of `If-Range`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Etag(text) | Self::LastModified(text) => text,
        }
    }
}

/// A version of a file, and how long it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoteVersion {
    /// What tells it from others.
    pub validator: Validator,
    /// In bytes, when the host has said.
    pub total: Option<u64>,
}
