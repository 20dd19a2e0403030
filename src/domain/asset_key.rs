//! Which asset of a task: its kind, and its number within the kind. This, never its URL, is its identity.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The three kinds of media; their order is the order in manifests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One of the answer's `videos`.
    Video,
    /// One of the answer's `images`.
    Image,
    /// One of the answer's `audio`.
    Audio,
}

impl Kind {
    /// As manifests, events and file names write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which asset of its task: the N-th of its kind, from 1. This, never the URL, is its identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AssetKey {
    /// Its kind.
    pub kind: Kind,
    /// Its number within the kind, from 1.
    pub index: usize,
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.index)
    }
}
