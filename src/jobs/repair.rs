//! `repair`: from the findings of a verification to the requests that fetch the lost files again.
//!
//! There is one request per task, and it covers only what is lost. Intact files are never touched.

use std::collections::BTreeMap;

use super::archive::{RepairScope, Request, RunOutcome};
use super::verify::{Finding, FindingTarget};
use crate::domain::event::Fault;
use crate::domain::task::TaskId;
use crate::layout::MANIFEST;

/// How a repair ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct RepairOutcome {
    /// The run that fetched the lost files again. None when nothing was done: nothing is damaged or missing, or no task is known
    /// that could be asked for.
    pub run: Option<RunOutcome>,
    /// Whether a run can't repair some finding: an unsafe path, an unreadable file, or a file of an unknown task.
    pub has_unrepairable: bool,
}

/// What a repair does.
pub(crate) struct RepairPlan {
    /// One request per task.
    pub requests: Vec<Request>,
    /// Whether a run can't repair some finding.
    pub has_unrepairable: bool,
}

impl RepairPlan {
    /// Derives requests from `findings`. A task with a damaged manifest gets a request without files when the root manifest
    /// names the task: the run restores the manifest.
    pub(crate) fn from_findings(findings: &[Finding]) -> Self {
        let mut has_unrepairable = findings.iter().any(|finding| matches!(finding.fault, Fault::Unsafe | Fault::Unreadable));
        let mut scopes: BTreeMap<&str, RepairScope> = BTreeMap::new();
        for finding in findings.iter().filter(|finding| matches!(finding.fault, Fault::Damaged | Fault::Missing)) {
            if finding.path == MANIFEST && finding.target.is_none() {
                // The end of any run rebuilds the root manifest.
                continue;
            }
            let Some(task_id) = &finding.task_id else {
                has_unrepairable = true;
                continue;
            };
            let scope = scopes.entry(task_id).or_default();
            match finding.target {
                Some(FindingTarget::File(key)) => scope.keys.push(key),
                Some(FindingTarget::Text) => scope.text = true,
                None => {}
            }
        }
        let request = |(id, scope)| Some(Request { repair: Some(scope), ..Request::new(TaskId::new(id)?) });
        Self { requests: scopes.into_iter().filter_map(request).collect(), has_unrepairable }
    }
}
