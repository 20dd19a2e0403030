//! The identity of an asset within its task: its kind and its number within the kind.
//!
//! The URL is no identity: it changes with each answer, and two assets may have the same. [`AssetKey`] is the full identity,
//! [`AssetSelector`] the part of it that an answer gives.

use std::collections::HashSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of media, in the order of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One of the answer's `videos`.
    Video,
    /// One of the answer's `images`.
    Image,
    /// One of the answer's `audio`.
    Audio,
    /// An item of any other list of the answer, such as a 3D model.
    File,
}

impl Kind {
    /// All kinds, in the order of a manifest.
    pub const ALL: [Self; 4] = [Self::Video, Self::Image, Self::Audio, Self::File];

    /// The name in manifests, events and file names.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Video => "video",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::File => "file",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An asset's identity within its task: the N-th of its kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AssetKey {
    /// The kind.
    pub kind: Kind,
    /// The number within the kind, from 1.
    pub index: usize,
}

impl fmt::Display for AssetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.index)
    }
}

/// What an answer says about an asset's key. The kind of a lone URL may be unknown until its bytes are downloaded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AssetSelector {
    /// The kind; `None` matches every kind.
    pub kind: Option<Kind>,
    /// The number within the kind, from 1.
    pub index: usize,
}

impl AssetSelector {
    /// Whether the asset may have this key.
    #[must_use]
    pub(crate) fn matches(self, key: AssetKey) -> bool {
        self.index == key.index && self.kind.is_none_or(|kind| kind == key.kind)
    }

    /// Whether the asset may have one of these keys.
    #[must_use]
    pub(crate) fn matches_any(self, keys: &HashSet<AssetKey>) -> bool {
        let is_in = |kind| keys.contains(&AssetKey { kind, index: self.index });
        self.kind.map_or_else(|| Kind::ALL.into_iter().any(is_in), is_in)
    }
}

impl AssetKey {
    /// Whether one of these selectors matches the key.
    #[must_use]
    pub(crate) fn is_selected(self, selectors: &HashSet<AssetSelector>) -> bool {
        [Some(self.kind), None].iter().any(|kind| selectors.contains(&AssetSelector { kind: *kind, index: self.index }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selector_of_unknown_kind_matches_every_kind_of_its_number() {
        let key = |kind, index| AssetKey { kind, index };
        for (kind, index, other, is_match) in [
            (Some(Kind::Image), 1, key(Kind::Image, 1), true),
            (Some(Kind::Image), 1, key(Kind::Image, 2), false),
            (Some(Kind::Image), 1, key(Kind::Audio, 1), false),
            (None, 1, key(Kind::Audio, 1), true),
            (None, 1, key(Kind::Audio, 2), false),
        ] {
            let selector = AssetSelector { kind, index };
            assert_eq!(selector.matches(other), is_match, "{selector:?} {other}");
            assert_eq!(selector.matches_any(&[other].into()), is_match, "{selector:?} {other}");
            assert_eq!(other.is_selected(&[selector].into()), is_match, "{selector:?} {other}");
        }
    }
}
