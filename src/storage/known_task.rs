//! What the index of a bucket says of one task: enough to leave the task alone, and small.

use serde_json::{Map, Value};

use crate::domain::manifest::State;

/// What the index says of a task.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KnownTask {
    pub state: State,
    pub files: usize,
    pub bytes: u64,
    pub has_text: bool,
    pub status: Option<String>,
}

impl KnownTask {
    pub(crate) fn has_meta(&self, _: &Map<String, Value>) -> bool {
        false
    }
}
