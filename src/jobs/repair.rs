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
    /// Whether a run can't repair some finding: an unsafe path, an unreadable file, or a file of a task
    /// that is unknown or has an id that can't be asked for.
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
        let mut requests = Vec::new();
        for (id, scope) in scopes {
            // An id that changes when it is parsed would repair another task.
            match TaskId::new(id).filter(|parsed| parsed.as_str() == id) {
                Some(parsed) => requests.push(Request { repair: Some(scope), ..Request::new(parsed) }),
                None => has_unrepairable = true,
            }
        }
        Self { requests, has_unrepairable }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_with_an_invalid_id_is_unrepairable_and_repairs_no_other_task() {
        let plan = |id: &str| {
            let (path, task_id) = ("t/text.txt".to_owned(), Some(id.to_owned()));
            RepairPlan::from_findings(&[Finding { path, fault: Fault::Missing, task_id, target: Some(FindingTarget::Text) }])
        };
        for id in [" ", " t", "t\n", ""] {
            let plan = plan(id);
            assert!(plan.requests.is_empty() && plan.has_unrepairable, "{id:?}");
        }
        let plan = plan("t");
        assert!(plan.requests.len() == 1 && !plan.has_unrepairable);
    }
}
