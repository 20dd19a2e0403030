//! From what a verification found to the run that fetches it again: a task at a time, and of each what is lost alone.

use std::collections::BTreeMap;

use super::{Error, Options, Session};
use crate::domain::event::Fault;
use crate::domain::task::TaskId;
use crate::jobs::archive::{RepairScope, Request};
use crate::jobs::verify::{Finding, FindingTarget};
use crate::layout::MANIFEST;
use crate::storage::{ArchiveScan, Storage};

impl Session {
    /// A run on what `survey` looked at: an archive, or one task's folder.
    pub(crate) fn from_scan(survey: &ArchiveScan, options: Options) -> Result<Self, Error> {
        let root = survey.root();
        let storage = if survey.is_single { Storage::single_task(root) } else { Storage::open(root)? };
        Ok(Self::with_storage(storage, root.to_owned(), options))
    }
}

/// What to fetch again, a task at a time, and whether something is beyond that. A task whose manifest is broken is gone
/// through for that alone, where the root remembers it.
pub(crate) fn repair_requests(findings: &[Finding]) -> (Vec<Request>, bool) {
    let mut is_left = findings.iter().any(|finding| matches!(finding.fault, Fault::Unsafe | Fault::Unreadable));
    let mut lost: BTreeMap<&str, RepairScope> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| matches!(finding.fault, Fault::Damaged | Fault::Missing)) {
        // The root's own manifest is rebuilt at the end of any run.
        let is_roots = finding.path == MANIFEST && finding.target.is_none();
        let Some(task_id) = finding.task_id.as_ref().filter(|_| !is_roots) else {
            is_left |= !is_roots;
            continue;
        };
        let task = lost.entry(task_id).or_default();
        match finding.target {
            Some(FindingTarget::File(slot)) => task.keys.push(slot),
            Some(FindingTarget::Text) => task.text = true,
            None => {}
        }
    }
    let request = |(id, lost): (&str, RepairScope)| Some(Request { repair: Some(lost), ..Request::new(TaskId::new(id)?) });
    (lost.into_iter().filter_map(request).collect(), is_left)
}
