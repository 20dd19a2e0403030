//! Which asset of a task: its kind, and its number within the kind. This, never its URL, is its identity.

use std::collections::HashSet;
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

/// What an answer says of an asset's key before its bytes are here: the kind of a lone URL may be unknown.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AssetSelector {
    /// Its kind; `None` matches every kind.
    pub kind: Option<Kind>,
    /// Its number within the kind, from 1.
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
        let kinds = self.kind.map_or([Kind::Video, Kind::Image, Kind::Audio], |kind| [kind; 3]);
        kinds.iter().any(|kind| keys.contains(&AssetKey { kind: *kind, index: self.index }))
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
