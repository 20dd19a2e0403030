//! From what a verification found to the run that fetches it again: a task at a time, and of each what is lost alone.

use std::collections::BTreeMap;

use super::{Error, Options, Session};
use crate::event::Fault;
use crate::get::{Lost, Request};
use crate::naming::MANIFEST;
use crate::store::{Archive, Survey};
use crate::task::TaskId;
use crate::verify::{Finding, Part};

impl Session {
    /// A run on what `survey` looked at: an archive, or one task's folder.
    pub(crate) fn of(survey: &Survey, options: Options) -> Result<Self, Error> {
        let root = survey.root();
        let archive = if survey.is_single { Archive::of_one(root) } else { Archive::open(root)? };
        Ok(Self::on(archive, root.to_owned(), options))
    }
}

/// What to fetch again, a task at a time, and whether something is beyond that. A task whose manifest is broken is gone
/// through for that alone, where the root remembers it.
pub(crate) fn requests(findings: &[Finding]) -> (Vec<Request>, bool) {
    let mut is_left = findings.iter().any(|finding| matches!(finding.fault, Fault::Unsafe | Fault::Unreadable));
    let mut lost: BTreeMap<&str, Lost> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| matches!(finding.fault, Fault::Damaged | Fault::Missing)) {
        // The root's own manifest is rebuilt at the end of any run.
        let is_roots = finding.path == MANIFEST && finding.part.is_none();
        let Some(task_id) = finding.task_id.as_ref().filter(|_| !is_roots) else {
            is_left |= !is_roots;
            continue;
        };
        let task = lost.entry(task_id).or_default();
        match finding.part {
            Some(Part::File(slot)) => task.slots.push(slot),
            Some(Part::Text) => task.text = true,
            None => {}
        }
    }
    let request = |(id, lost): (&str, Lost)| Some(Request { lost: Some(lost), ..Request::of(TaskId::new(id)?) });
    (lost.into_iter().filter_map(request).collect(), is_left)
}
